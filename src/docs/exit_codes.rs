//! `docs/exit-codes.md`.

use super::markdown::{head, row};
use crate::exit;

pub(super) fn page() -> String {
    let mut out = "# Exit codes\n\n\
        `jail run` ends with the connector's own code. The codes that jail adds are those of shells \
        and timeout(1). Where a connector itself ends with one of them, `--report json` tells them \
        apart (`\"ended_by\"`, `\"confined\"`).\n\n"
        .to_owned();
    out += &head(&["code", "meaning"]);
    for (code, meaning) in exit::TABLE {
        out += &row(&[&code.to_string(), meaning]);
    }
    out += &row(&["128 + N", "`jail run`: signal N ended the connector"]);
    out
}

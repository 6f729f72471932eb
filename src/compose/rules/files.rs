//! What is wrong with the files themselves, and with what allows a finding.

use super::rules;

rules! {
    WRONG = "compose.wrong", Error,
        "a compose file that cannot be understood",
        "Nothing of it can be judged; an engine may take it otherwise than it was meant.";
    UNSET = "compose.unset-variable", Warning,
        "a variable that is not set",
        "It becomes nothing, and the value another one: `${BIND}:8080:80` is published on every address.";
    NO_REASON = "compose.allow-without-reason", Error,
        "a finding is allowed without a reason",
        "Whoever reads the file next cannot tell whether it still holds. It is not counted as allowed.";
    UNUSED = "compose.unused-allow", Warning,
        "something is allowed that is not there",
        "What was allowed is mended or somewhere else by now; the next one that comes to stand there is let pass.";
}

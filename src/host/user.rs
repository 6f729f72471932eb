//! Who asks.

use crate::policy::text::plain_text;

/// The name of the user, for those who read it later; the number where it has no name.
pub fn name() -> Option<String> {
    let uid = nix::unistd::getuid();
    let name = nix::unistd::User::from_uid(uid).ok().flatten().map(|user| user.name);
    plain_text(&name.unwrap_or_else(|| format!("uid {uid}"))).ok()
}

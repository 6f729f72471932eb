//! What is mounted, from /proc/PID/mountinfo. Pure. man: proc_pid_mountinfo(5)

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    id: u64,
    parent: u64,
    /// What of its file system is shown.
    pub root: PathBuf,
    pub at: PathBuf,
    options: Vec<String>,
    /// Whether mounts spread from it or to it (`shared:1`, `master:1`).
    pub spreads: bool,
    pub kind: String,
    super_options: Vec<String>,
}

impl Mount {
    pub fn has(&self, option: &str) -> bool {
        self.options.iter().any(|known| known == option)
    }

    /// Nothing can be written, whichever of the two says so.
    pub fn read_only(&self) -> bool {
        self.has("ro") || self.super_options.iter().any(|option| option == "ro")
    }

    /// Of a tmpfs.
    pub fn size(&self) -> Option<u64> {
        let text = self.super_options.iter().find_map(|option| option.strip_prefix("size="))?;
        let (number, unit) = match text.strip_suffix('k') {
            Some(number) => (number, 1024),
            None => (text, 1),
        };
        number.parse::<u64>().ok().map(|number| number * unit)
    }
}

/// All lines, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mounts(Vec<Mount>);

impl Mounts {
    pub fn of(text: &str) -> Self {
        Self(text.lines().filter_map(line).collect())
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Mount> {
        self.0.iter()
    }

    /// The mount that is seen at a path; none where the path is a part of another one.
    pub fn at(&self, path: &Path) -> Option<&Mount> {
        self.holding(path).filter(|mount| mount.at == path)
    }

    /// The mount on which a path is, as the kernel walks to it: a mount that another one covers from further up
    /// is still listed, and seen by nobody.
    pub fn holding(&self, path: &Path) -> Option<&Mount> {
        let mut walked = PathBuf::new();
        let mut here: Option<&Mount> = None;
        for part in path.components() {
            walked.push(part);
            here = match here {
                None => Some(self.root()?),
                found => found,
            };
            // One over the other; there are not more than all.
            for _ in 0..self.0.len() {
                let Some(over) = here.and_then(|below| self.child(below, &walked)) else { break };
                here = Some(over);
            }
        }
        here
    }

    /// The lowest one at `/`: what it is mounted on is not to be seen from inside.
    fn root(&self) -> Option<&Mount> {
        let known = |id: u64| self.0.iter().any(|mount| mount.id == id);
        let mut roots = self.0.iter().filter(|mount| mount.at == Path::new("/"));
        roots.find(|mount| mount.parent == mount.id || !known(mount.parent))
    }

    fn child(&self, below: &Mount, at: &Path) -> Option<&Mount> {
        let mut all = self.0.iter().rev();
        all.find(|mount| mount.parent == below.id && mount.id != below.id && mount.at == at)
    }
}

fn line(text: &str) -> Option<Mount> {
    let words = |text: &str| text.split(',').map(ToOwned::to_owned).collect::<Vec<_>>();
    let (left, right) = text.split_once(" - ")?;
    let mut left = left.split(' ');
    let (id, parent) = (left.next()?.parse().ok()?, left.next()?.parse().ok()?);
    let (root, at, options) = (left.nth(1)?, left.next()?, left.next()?);
    let spreads = left.any(|tag| tag.starts_with("shared:") || tag.starts_with("master:"));
    let mut right = right.split(' ');
    let (kind, super_options) = (right.next()?, right.nth(1).unwrap_or_default());
    Some(Mount {
        id,
        parent,
        root: unescaped(root),
        at: unescaped(at),
        options: words(options),
        spreads,
        kind: kind.to_owned(),
        super_options: words(super_options),
    })
}

/// Blanks, tabs, line breaks and backslashes stand there as `\` and three octal digits.
fn unescaped(text: &str) -> PathBuf {
    let (mut out, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..3).filter(|_| *first == b'\\');
        let value = digits.and_then(|digits| {
            let octal = digits.iter().all(|digit| (b'0'..=b'7').contains(digit));
            u8::from_str_radix(std::str::from_utf8(digits).ok().filter(|_| octal)?, 8).ok()
        });
        out.push(value.unwrap_or(*first));
        rest = if value.is_some() { after.get(3..).unwrap_or_default() } else { after };
    }
    OsString::from_vec(out).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "96 71 0:39 / / ro - overlay overlay rw\n";

    fn kind(text: &str, path: &str) -> Option<String> {
        let mounts = Mounts::of(&format!("{ROOT}{text}"));
        mounts.at(Path::new(path)).map(|mount| mount.kind.clone())
    }

    #[test]
    fn the_last_of_a_stack_is_seen() {
        let stack = "97 96 0:1 / /w rw - ext4 x rw\n98 97 0:2 / /w rw - tmpfs x rw\n";
        assert_eq!(kind(stack, "/w").as_deref(), Some("tmpfs"));
        assert_eq!(kind(stack, "/").as_deref(), Some("overlay"));
        assert_eq!(kind(stack, "/w/x"), None);
    }

    /// In the order of mountinfo the inner one is there; walking to it leads past it.
    #[test]
    fn what_a_later_mount_covers_is_not_seen() {
        let inner_first = "97 96 0:1 / /w/own ro - tmpfs x ro\n98 96 0:2 / /w rw - ext4 x rw\n";
        assert_eq!(kind(inner_first, "/w/own"), None);
        let inner_last = "98 96 0:2 / /w rw - ext4 x rw\n99 98 0:1 / /w/own ro - tmpfs x ro\n";
        assert_eq!(kind(inner_last, "/w/own").as_deref(), Some("tmpfs"));
    }

    #[test]
    fn a_path_is_on_the_mount_that_holds_it() {
        let mounts = Mounts::of(&format!("{ROOT}97 96 0:1 / /sys ro - sysfs x rw\n"));
        assert_eq!(mounts.holding(Path::new("/sys/firmware/x")).unwrap().kind, "sysfs");
        assert_eq!(mounts.holding(Path::new("/system")).unwrap().kind, "overlay");
        assert_eq!(Mounts::of("").holding(Path::new("/")), None);
    }

    #[test]
    fn names_are_unescaped() {
        let mounts = Mounts::of("1 0 0:1 /a\\011b /x\\040y\\134040\\9 rw shared:3 - ext4 x rw\n");
        let mount = mounts.iter().next().unwrap();
        assert_eq!(mount.root, Path::new("/a\tb"));
        assert_eq!(mount.at, Path::new("/x y\\040\\9"));
        assert!(mount.spreads);
    }
}

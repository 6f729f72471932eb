//! The order of the steps: parents first, one step per place.

use super::protections::is_protection;
use super::{Tree, relative};
use crate::plan::{Bind, Kind, MountStep};
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

impl Tree<'_> {
    /// Parents before children, one step per target, directories made where something is put.
    ///
    /// A later step for the same target replaces an earlier one (a grant may widen a need).
    pub(super) fn ordered(mut self) -> Vec<MountStep> {
        follow_links(&mut self.steps);
        let mut steps: Vec<(PathBuf, MountStep)> = Vec::with_capacity(self.steps.len());
        let mut places: BTreeMap<PathBuf, usize> = BTreeMap::new();
        for step in std::mem::take(&mut self.steps) {
            let target = step.target();
            match places.get(&target) {
                Some(earlier) if !is_protection(&step) => steps[*earlier].1 = step,
                _ => {
                    places.insert(target.clone(), steps.len());
                    steps.push((target, step));
                }
            }
        }
        drop_covered(&mut steps);
        steps.sort_by_cached_key(|(target, step)| {
            (target.components().count(), is_protection(step))
        });
        let mut ordered = Vec::with_capacity(steps.len() * 2);
        let mut shown: Vec<PathBuf> = Vec::new();
        for (target, step) in steps {
            for parent in ancestors(&target) {
                // A mount that shows host content has its own directories.
                if !self.dirs.contains(parent) && !shown.iter().any(|tree| parent.starts_with(tree))
                {
                    self.dirs.insert(parent.to_path_buf());
                    ordered.push(MountStep::Dir { target: relative(parent), mode: 0o755 });
                }
            }
            if matches!(step, MountStep::Bind(_) | MountStep::Overlay { .. } | MountStep::Proc) {
                shown.push(target.clone());
            }
            self.dirs.insert(target);
            ordered.push(step);
        }
        ordered
    }
}

/// What lies beyond a link of the jail (`/var/tmp/x`, `/bin/x`) is put where the link leads, since nothing
/// is mounted through a link.
fn follow_links(steps: &mut [MountStep]) {
    let links: Vec<(PathBuf, PathBuf)> = steps
        .iter()
        .filter_map(|step| match step {
            MountStep::Symlink { target, to }
                if !to.components().any(|c| c == Component::ParentDir) =>
            {
                let beside = target.parent().unwrap_or(Path::new(""));
                Some((target.clone(), relative(&beside.join(to))))
            }
            _ => None,
        })
        .collect();
    for step in steps {
        let (MountStep::Bind(Bind { target, .. }) | MountStep::Overlay { target, .. }) = step
        else {
            continue;
        };
        let beyond = links.iter().find_map(|(link, to)| {
            let rest = target.strip_prefix(link).ok()?;
            (!rest.as_os_str().is_empty()).then(|| to.join(rest))
        });
        if let Some(beyond) = beyond {
            *target = beyond;
        }
    }
}

/// A read-only bind or link below a read-only bind of the same host tree shows nothing new.
fn drop_covered(steps: &mut Vec<(PathBuf, MountStep)>) {
    let trees: Vec<(PathBuf, PathBuf)> = steps
        .iter()
        .filter_map(|(target, step)| match step {
            MountStep::Bind(b) if !b.write && b.kind == Kind::Dir => {
                Some((target.clone(), b.host.clone()))
            }
            _ => None,
        })
        .collect();
    steps.retain(|(target, step)| {
        let below = |tree: &(PathBuf, PathBuf)| *target != tree.0 && target.starts_with(&tree.0);
        match step {
            MountStep::Bind(b) if !b.write && !is_protection(step) => !trees.iter().any(|tree| {
                below(tree)
                    && target.strip_prefix(&tree.0).is_ok_and(|rest| tree.1.join(rest) == b.host)
            }),
            MountStep::Symlink { .. } => !trees.iter().any(below),
            _ => true,
        }
    });
}

/// The folders above a path, outermost first, without `/`.
fn ancestors(path: &Path) -> Vec<&Path> {
    let mut above: Vec<&Path> = path.ancestors().skip(1).filter(|p| p.parent().is_some()).collect();
    above.reverse();
    above
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::fd::Identity;

    fn bind(target: &str) -> MountStep {
        MountStep::Bind(Bind {
            host: "/h".into(),
            target: target.into(),
            identity: Identity { device: 1, inode: 1, kind: 0 },
            kind: Kind::Dir,
            write: false,
            exec: true,
            why: String::new(),
        })
    }

    #[test]
    fn what_lies_beyond_a_link_is_put_where_the_link_leads() {
        let link =
            |target: &str, to: &str| MountStep::Symlink { target: target.into(), to: to.into() };
        let mut steps = vec![
            link("bin", "usr/bin"),
            link("var/tmp", "/tmp"),
            link("home/me/a", "b/c"),
            link("home/me/up", "../x"),
            bind("bin/ls"),
            bind("var/tmp/work/x"),
            bind("home/me/a/d"),
            bind("home/me/up/d"),
            bind("bin"),
            bind("var/tmpx"),
        ];
        follow_links(&mut steps);
        let targets: Vec<PathBuf> = steps[4..].iter().map(MountStep::target).collect();
        let expected =
            ["/usr/bin/ls", "/tmp/work/x", "/home/me/b/c/d", "/home/me/up/d", "/bin", "/var/tmpx"];
        assert_eq!(targets, expected.map(PathBuf::from));
    }
}

//! Relative paths of a compose file start at its project's folder. Pure: nothing is looked up on the disk.

use super::node::{Node, Value};
use std::path::{Component, Path, PathBuf};

/// A path of a file as an absolute one, as far as the folder is; `.` and `..` are taken out.
pub(super) fn join(folder: Option<&Path>, path: &str, home: Option<&Path>) -> PathBuf {
    let below_home = path.strip_prefix('~').filter(|rest| rest.is_empty() || rest.starts_with('/'));
    match (below_home, home) {
        (Some(rest), Some(home)) => clean(&home.join(rest.trim_start_matches('/'))),
        _ => clean(&folder.unwrap_or(Path::new(".")).join(path)),
    }
}

/// Without `.`, `..` and doubled slashes.
pub(super) fn clean(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => match out.components().next_back() {
                Some(Component::Normal(_)) => drop(out.pop()),
                Some(Component::RootDir) => {}
                _ => out.push(".."),
            },
            other => out.push(other),
        }
    }
    if out.as_os_str().is_empty() { PathBuf::from(".") } else { out }
}

/// The paths of everything in a project, in short and long forms.
pub(super) fn project(root: &mut Node, folder: &Path, home: Option<&Path>) {
    if let Some(Value::Map(services)) = root.get_mut("services").map(|all| &mut all.value) {
        services.iter_mut().for_each(|entry| service(&mut entry.value, folder, home));
    }
    for section in ["secrets", "configs"] {
        if let Some(Value::Map(all)) = root.get_mut(section).map(|all| &mut all.value) {
            for entry in all {
                set(entry.value.get_mut("file"), folder, home);
            }
        }
    }
}

/// The paths of one service, in short and long forms.
pub(super) fn service(service: &mut Node, folder: &Path, home: Option<&Path>) {
    if let Some(build) = service.get_mut("build") {
        let context = match &build.value {
            Value::Scalar(_) => Some(build),
            _ => build.get_mut("context"),
        };
        let remote = |text: &str| text.contains("://") || text.starts_with("git@");
        let local = context.filter(|it| it.text().is_some_and(|text| !remote(text)));
        set(local, folder, home);
    }
    if let Some(Node { value: Value::List(items), .. }) = service.get_mut("env_file") {
        for item in items {
            let long = matches!(item.value, Value::Map(_));
            set(if long { item.get_mut("path") } else { Some(item) }, folder, home);
        }
    } else {
        set(service.get_mut("env_file"), folder, home);
    }
    if let Some(Node { value: Value::List(items), .. }) = service.get_mut("volumes") {
        for item in items {
            volume(item, folder, home);
        }
    }
}

fn volume(item: &mut Node, folder: &Path, home: Option<&Path>) {
    if let Value::Map(_) = item.value {
        if item.get("type").and_then(Node::text) == Some("bind") {
            set(item.get_mut("source"), folder, home);
        }
        return;
    }
    let Value::Scalar(scalar) = &mut item.value else { return };
    let Some((source, rest)) = scalar.text.split_once(':') else { return };
    if is_path(source) {
        scalar.text = format!("{}:{rest}", join(Some(folder), source, home).display());
    }
}

/// What tells a path on the host from the name of a volume.
pub(super) fn is_path(source: &str) -> bool {
    source.starts_with(['.', '/', '~'])
}

fn set(node: Option<&mut Node>, folder: &Path, home: Option<&Path>) {
    if let Some(Value::Scalar(scalar)) = node.map(|node| &mut node.value) {
        scalar.text = join(Some(folder), &scalar.text, home).display().to_string();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_without_detours() {
        for (path, expected) in [
            ("a/./b//c", "a/b/c"),
            ("/a/../../b", "/b"),
            ("../a/..", ".."),
            ("a/..", "."),
            ("../../x", "../../x"),
        ] {
            assert_eq!(clean(Path::new(path)), Path::new(expected), "{path}");
        }
        let home = Some(Path::new("/home/me"));
        assert_eq!(join(Some(Path::new("/p")), "~/x", home), Path::new("/home/me/x"));
        assert_eq!(join(Some(Path::new("/p")), "~x", home), Path::new("/p/~x"));
        assert_eq!(join(Some(Path::new("/p")), "~", home), Path::new("/home/me"));
        assert_eq!(join(Some(Path::new("/p")), "../x", home), Path::new("/x"));
    }
}

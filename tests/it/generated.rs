//! The committed documents are what the code makes, and their links lead somewhere.

use jail::docs::{self, FOLDERS};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn committed_documents_are_what_the_code_makes() {
    let folder = root().join("docs");
    let mut wrong = Vec::new();
    let mut made = BTreeSet::new();
    for document in docs::all().unwrap() {
        let path = folder.join(&document.path);
        match fs::read(&path) {
            Ok(committed) if committed == document.contents => {}
            Ok(committed) => wrong.push(format!(
                "docs/{} differs{}",
                document.path,
                difference(&committed, &document.contents)
            )),
            Err(error) => wrong.push(format!("docs/{}: {error}", document.path)),
        }
        made.insert(path);
    }
    for path in FOLDERS.iter().flat_map(|name| files(&folder.join(name))) {
        if !made.contains(&path) {
            wrong.push(format!("{} is not made by the code any more", path.display()));
        }
    }
    assert!(
        wrong.is_empty(),
        "run `make gen` and commit what it changes:\n  {}",
        wrong.join("\n  ")
    );
}

/// The first line that is not the same.
fn difference(committed: &[u8], made: &[u8]) -> String {
    let (committed, made) = (String::from_utf8_lossy(committed), String::from_utf8_lossy(made));
    let mut lines = committed.lines().zip(made.lines()).enumerate();
    match lines.find(|(_, (old, new))| old != new) {
        Some((index, (old, new))) => {
            format!(" in line {}\n    committed: {old}\n    made:      {new}", index + 1)
        }
        None => " in its length".to_owned(),
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// Pages that people read: those at the top and those below `docs/`.
fn pages() -> Vec<PathBuf> {
    let folders = [root().to_owned(), root().join("docs"), root().join("docs/adr")];
    let all = folders.iter().flat_map(|folder| files(folder));
    all.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect()
}

#[test]
fn links_lead_somewhere() {
    let mut wrong = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for target in targets.filter(|target| !target.contains(':')) {
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let path = if file.is_empty() { page.clone() } else { page.with_file_name(file) };
            if !path.exists() || !anchor.is_empty() && !anchors(&path).contains(anchor) {
                wrong.push(format!("{}: {target}", page.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "links to nothing:\n  {}", wrong.join("\n  "));
}

/// The headings of a page as GitHub names them.
fn anchors(page: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(page).unwrap();
    let headings = text.lines().filter_map(|line| line.strip_prefix('#'));
    headings
        .map(|heading| {
            let heading = heading.trim_start_matches('#').trim().to_lowercase();
            let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            kept.collect::<String>().replace(' ', "-")
        })
        .collect()
}

/// What is named in code spans of the hand-written pages as a file of the source is there.
#[test]
fn files_that_pages_name_exist() {
    let mut wrong = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for span in text.split('`').skip(1).step_by(2) {
            let ours = ["src/", "tests/", "integration/", "docs/", "seccomp-profiles/", "scripts/"];
            let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
            if ours.iter().any(|folder| span.starts_with(folder))
                && span.chars().all(plain)
                && !root().join(span).exists()
            {
                wrong.push(format!("{}: {span}", page.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "names of files that are not there:\n  {}", wrong.join("\n  "));
}

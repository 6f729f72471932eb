use super::*;

fn workspace() -> (tempfile::TempDir, WorkspaceRoot) {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join(FOLDER)).unwrap();
    let root = WorkspaceRoot { path: folder.path().to_owned() };
    (folder, root)
}

#[test]
fn it_is_made_for_its_owner_alone_and_opens_again() {
    let (_folder, root) = workspace();
    for _ in 0..2 {
        let state = State::open(&root, PATIENCE).unwrap();
        assert_eq!(fs::metadata(state.path()).unwrap().mode() & 0o7777, 0o600);
    }
    for side in ["state.db-wal", "state.db-shm"] {
        let state = State::open(&root, PATIENCE).unwrap();
        let facts = fs::metadata(state.path().with_file_name(side)).unwrap();
        assert_eq!(facts.mode() & 0o7777, 0o600, "{side}");
    }
}

#[test]
fn what_others_could_have_prepared_is_not_used() {
    let (_folder, root) = workspace();
    let path = path(&root);
    fs::write(&path, b"").unwrap();
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o620)).unwrap();
    let open = || State::open(&root, PATIENCE).err().map(|failure| failure.causes);
    assert_eq!(open().unwrap(), ["others may read or write it"]);
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink(root.path.join("elsewhere"), &path).unwrap();
    assert_eq!(open().unwrap(), ["it is no file"]);
    assert!(!root.path.join("elsewhere").exists());
}

#[test]
fn a_newer_form_is_left_alone() {
    let (_folder, root) = workspace();
    let state = State::open(&root, PATIENCE).unwrap();
    state.read(|it| it.pragma_update(None, "user_version", 99)).unwrap();
    drop(state);
    let failure = State::open(&root, PATIENCE).err().unwrap();
    assert!(failure.what.contains("a newer jail (form 99)"), "{failure}");
}

#[test]
fn a_change_that_fails_changes_nothing() {
    let (_folder, root) = workspace();
    let mut state = State::open(&root, PATIENCE).unwrap();
    let count = |state: &State| {
        state.read(|it| it.query_row("SELECT count FROM changes", [], |row| row.get::<_, i64>(0)))
    };
    let bump = "UPDATE changes SET count = count + 1";
    let failed = state.change(|it| {
        it.execute(bump, []).map_err(|error| cannot("write", Path::new("x"), &error))?;
        Err::<(), _>(Failure::new(Kind::Io, "on purpose"))
    });
    assert!(failed.is_err());
    assert_eq!(count(&state).unwrap(), 0);
}

/// Turning a new file to WAL needs it for oneself, and for that SQLite waits for nobody.
#[test]
fn all_who_come_first_get_in() {
    const AT_ONCE: usize = 8;
    for _ in 0..100 {
        let (_folder, root) = workspace();
        let start = std::sync::Barrier::new(AT_ONCE);
        std::thread::scope(|scope| {
            let opening = || {
                start.wait();
                State::open(&root, PATIENCE).map(|state| state.path().to_owned())
            };
            let all: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(opening)).collect();
            for one in all {
                one.join().unwrap().unwrap();
            }
        });
    }
}

use super::*;
use crate::policy::load::{FOLDER, Sources, WorkspaceRoot};

struct Rig {
    _folder: tempfile::TempDir,
    app: App,
}

impl Rig {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(FOLDER)).unwrap();
        let root = WorkspaceRoot { path: folder.path().to_owned() };
        let sources = Sources { cwd: root.path.clone(), home: None, config_home: None };
        Self { app: App::new(sources, root).unwrap(), _folder: folder }
    }

    fn state(&self) -> State {
        self.app.state().unwrap()
    }

    fn offer(&self) -> String {
        offer(&mut self.state()).unwrap().to_string()
    }

    fn exchange(&self, code: &str) -> Result<Paired, u16> {
        exchange(&self.app, code, "tests", Bearer::Header).map_err(|it| it.status().as_u16())
    }

    fn browser(&self) -> Paired {
        exchange(&self.app, &self.offer(), "browser", Bearer::Cookie).unwrap()
    }

    /// As if nothing had been seen for so long.
    fn unseen(&self, seconds: u64) {
        let sql = "UPDATE devices SET seen_at = seen_at - ?1";
        self.state().change(|it| Ok(it.execute(sql, [seconds]).unwrap())).unwrap();
    }

    fn age(&self, seconds: u64) {
        let mut state = self.state();
        let sql = "UPDATE pairings SET expires_at = expires_at - ?1";
        state.change(|it| Ok(it.execute(sql, [seconds]).unwrap())).unwrap();
    }
}

#[test]
fn a_code_is_eight_letters_that_nobody_mistakes() {
    let codes: std::collections::HashSet<_> =
        (0..200).map(|_| Code::fresh().unwrap().to_string()).collect();
    assert_eq!(codes.len(), 200);
    for code in codes {
        assert_eq!(code.len(), 9);
        assert!(!code.contains(['0', '1', 'I', 'O']), "{code}");
        let typed = code.to_lowercase().replace('-', " ");
        assert_eq!(Code::read(&typed).unwrap().to_string(), code);
    }
    for text in ["", "ABCD-234", "ABCD-2340", "ABCD-23455", "ÄBCD-234"] {
        assert_eq!(Code::read(text), None, "{text}");
    }
}

#[test]
fn a_code_works_once_and_gives_a_token() {
    let rig = Rig::new();
    let code = rig.offer();
    let paired = rig.exchange(&code).unwrap();
    assert_eq!(devices::known(&mut rig.state(), &paired.token).unwrap(), Some(paired.device));
    assert_eq!(rig.exchange(&code).unwrap_err(), 403);
    assert_eq!(devices::known(&mut rig.state(), "jail_x").unwrap(), None);
}

#[test]
fn a_code_is_too_old_after_two_minutes() {
    let rig = Rig::new();
    let code = rig.offer();
    rig.age(LIFE.as_secs() - 30);
    let other = rig.offer();
    rig.exchange(&code).unwrap();
    rig.age(LIFE.as_secs());
    assert_eq!(rig.exchange(&other).unwrap_err(), 403);
}

#[test]
fn ten_wrong_ones_make_all_void() {
    let rig = Rig::new();
    let code = rig.offer();
    for _ in 1..TRIES {
        assert_eq!(rig.exchange("AAAA-AAAA").unwrap_err(), 403);
    }
    let problem = exchange(&rig.app, "x", "tests", Bearer::Header).unwrap_err();
    assert_eq!(problem.status(), 429);
    assert_eq!(rig.exchange(&code).unwrap_err(), 429);
    let left = rig
        .state()
        .read(|it| it.query_row("SELECT count(*) FROM pairings", [], |row| row.get::<_, u64>(0)));
    assert_eq!(left.unwrap(), 0);
    // The minute is over.
    rig.app.attempts().lock().until = Some(Instant::now());
    assert_eq!(rig.exchange(&code).unwrap_err(), 403);
    rig.exchange(&rig.offer()).unwrap();
}

#[test]
fn a_right_one_forgives_the_wrong_ones() {
    let rig = Rig::new();
    for _ in 0..2 {
        for _ in 1..TRIES {
            assert_eq!(rig.exchange("AAAA-AAAA").unwrap_err(), 403);
        }
        rig.exchange(&rig.offer()).unwrap();
    }
}

#[test]
fn a_revoked_device_is_known_no_more() {
    let rig = Rig::new();
    let Paired { device, token } = rig.exchange(&rig.offer()).unwrap();
    let state = &mut rig.state();
    let revoked = devices::revoke(state, &device.id).unwrap().unwrap();
    assert!(revoked.revoked_at.is_some());
    assert_eq!(devices::known(state, &token).unwrap(), None);
    assert!(!devices::is_paired(state, &device.id).unwrap());
    assert_eq!(devices::revoke(state, &device.id).unwrap(), Some(revoked));
    assert_eq!(devices::revoke(state, "x").unwrap(), None);
}

#[test]
fn devices_and_codes_have_an_end() {
    let rig = Rig::new();
    let codes: Vec<String> = (0..WAITING + 1).map(|_| rig.offer()).collect();
    assert_eq!(rig.exchange(&codes[0]).unwrap_err(), 403);
    rig.exchange(&codes[1]).unwrap();
    for _ in 1..devices::MOST {
        rig.exchange(&rig.offer()).unwrap();
    }
    assert_eq!(rig.exchange(&rig.offer()).unwrap_err(), 409);
    let first = devices::list(&rig.state()).unwrap().remove(0);
    devices::revoke(&mut rig.state(), &first.id).unwrap();
    rig.exchange(&rig.offer()).unwrap();
}

#[test]
fn a_browser_that_was_not_seen_for_long_has_to_be_paired_again() {
    let rig = Rig::new();
    let (browser, program) = (rig.browser(), rig.exchange(&rig.offer()).unwrap());
    rig.unseen(devices::UNSEEN - 60);
    let state = &mut rig.state();
    assert!(devices::known(state, &browser.token).unwrap().is_some(), "and it is seen now");
    rig.unseen(devices::UNSEEN);
    assert_eq!(devices::known(state, &browser.token).unwrap(), None);
    assert!(!devices::is_paired(state, &browser.device.id).unwrap());
    assert!(devices::known(state, &program.token).unwrap().is_some(), "it has no cookie to lose");
    let listed = devices::list(state).unwrap();
    let browser = listed.iter().find(|it| it.id == browser.device.id).unwrap();
    assert_eq!(browser.revoked_at, Some(browser.seen_at + devices::UNSEEN));
}

#[test]
fn browsers_that_are_gone_leave_their_places() {
    let rig = Rig::new();
    for _ in 0..devices::MOST {
        rig.browser();
    }
    assert_eq!(rig.exchange(&rig.offer()).unwrap_err(), 409);
    rig.unseen(devices::UNSEEN);
    rig.exchange(&rig.offer()).unwrap();
    let paired = devices::list(&rig.state()).unwrap();
    assert_eq!(paired.iter().filter(|it| it.revoked_at.is_none()).count(), 1);
}

#[test]
fn to_pair_is_on_record_or_does_not_take_place() {
    let rig = Rig::new();
    let device = rig.exchange(&rig.offer()).unwrap().device;
    let log = std::fs::read_to_string(rig.app.log()).unwrap();
    assert!(log.contains("\"api devices pair\"") && log.contains(&device.title()), "{log}");
    // A log that others can write proves nothing, and is not written.
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    std::fs::set_permissions(rig.app.log(), open).unwrap();
    let code = rig.offer();
    assert_eq!(rig.exchange(&code).unwrap_err(), 500);
    assert_eq!(devices::list(&rig.state()).unwrap().len(), 1);
    let closed = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(rig.app.log(), closed).unwrap();
    rig.exchange(&code).unwrap();
}

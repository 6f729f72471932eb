//! A policy file may come from a stranger: any bytes make a policy or problems, and problems that
//! are shown cannot move the cursor.
#![no_main]

use jail::policy::{self, Origin, Places};
use libfuzzer_sys::fuzz_target;
use std::path::Path;
use std::sync::LazyLock;

static PLACES: LazyLock<Places> = LazyLock::new(|| Places {
    root: "/w".into(),
    home: Some("/home/a".into()),
    protected: vec!["/w/.cloned".into()],
});

fuzz_target!(|bytes: &[u8]| {
    match policy::manifest(Path::new("a.yaml"), "a", bytes, &PLACES) {
        Ok(policy) => {
            assert!(!policy.command.value.is_empty());
            let writes = policy.filesystem.write.iter().map(|rule| &rule.value.path);
            for path in writes {
                let path = path.as_path();
                assert!(path.is_absolute() && !Path::new("/w/.cloned").starts_with(path));
            }
        }
        Err(problems) => {
            assert!(!problems.is_empty());
            for problem in problems {
                assert!(!problem.to_string().contains(char::is_control));
                assert!(matches!(problem.origin, Origin::File { line: 1.., column: 1.., .. }));
            }
        }
    }
});

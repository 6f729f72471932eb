//! A home folder, and programs in it, made for one test.

use crate::policy::SystemTree;
use crate::resolve::{Need, NeedKind, Request, ResolveError, Resolved, resolve, too_wide};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

pub(super) struct Home {
    _dir: TempDir,
    pub(super) path: PathBuf,
    /// The folders on PATH, in order, relative to the home or absolute.
    pub(super) path_var: Vec<String>,
    pub(super) cwd: PathBuf,
    pub(super) covered: Vec<PathBuf>,
    pub(super) system: SystemTree,
}

impl Home {
    pub(super) fn new(path_var: &[&str]) -> Self {
        let dir = TempDir::new().unwrap();
        let path = dir.path().canonicalize().unwrap();
        Self {
            _dir: dir,
            cwd: path.clone(),
            path,
            path_var: path_var.iter().map(ToString::to_string).collect(),
            covered: Vec::new(),
            system: SystemTree::Usr,
        }
    }

    pub(super) fn at(&self, inside: &str) -> PathBuf {
        self.path.join(inside)
    }

    pub(super) fn file(&self, inside: &str, text: &str) -> PathBuf {
        self.bytes(inside, text.as_bytes())
    }

    pub(super) fn bytes(&self, inside: &str, bytes: &[u8]) -> PathBuf {
        let path = self.at(inside);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    /// An executable script; `~` stands for the home.
    pub(super) fn script(&self, inside: &str, text: &str) -> PathBuf {
        let text = text.replace('~', self.path.to_str().unwrap());
        executable(self.file(inside, &text))
    }

    /// A static program.
    pub(super) fn program(&self, inside: &str) -> PathBuf {
        executable(self.bytes(inside, &Elf::default().build()))
    }

    pub(super) fn elf(&self, inside: &str, elf: &Elf) -> PathBuf {
        executable(self.bytes(inside, &elf.build()))
    }

    /// A link; `~` in the target stands for the home.
    pub(super) fn link(&self, inside: &str, target: &str) {
        let path = self.at(inside);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target.replace('~', self.path.to_str().unwrap()), path).unwrap();
    }

    pub(super) fn resolve(&self, command: &str) -> Result<Resolved, ResolveError> {
        self.resolve_with(command, &[])
    }

    pub(super) fn resolve_with(
        &self,
        command: &str,
        args: &[&str],
    ) -> Result<Resolved, ResolveError> {
        let home = self.path.to_str().unwrap();
        let command = command.replace('~', home);
        let args: Vec<OsString> = args.iter().map(|arg| arg.replace('~', home).into()).collect();
        let dirs = self.path_var.iter().map(|dir| self.path.join(dir));
        let path_var = std::env::join_paths(dirs).unwrap();
        let found = resolve(&Request {
            command: OsStr::new(&command),
            args: &args,
            path_var: &path_var,
            cwd: &self.cwd,
            home: Some(&self.path),
            covered: &self.covered,
            system: self.system,
        })?;
        self.check(&found);
        Ok(found)
    }

    /// What holds for every answer.
    fn check(&self, found: &Resolved) {
        assert!(found.program.is_absolute());
        for need in &found.needs {
            let at = need.path.parent().unwrap();
            assert_eq!(at.canonicalize().unwrap(), at, "a need must not lie behind a link");
            let meta = fs::symlink_metadata(&need.path).unwrap();
            match &need.kind {
                NeedKind::Tree => {
                    assert!(meta.is_dir(), "{need:?}");
                    assert_eq!(too_wide(&need.path, Some(&self.path)), None, "{need:?}");
                }
                NeedKind::File => assert!(meta.is_file(), "{need:?}"),
                NeedKind::Symlink { target } => {
                    assert_eq!(&fs::read_link(&need.path).unwrap(), target);
                }
            }
        }
    }

    /// The needs in short, sorted: `tree .nvm/…`, `file …`, `link … -> …`; the home is left out.
    pub(super) fn brief(&self, needs: &[Need]) -> Vec<String> {
        let home = format!("{}/", self.path.display());
        let short = |path: &Path| path.display().to_string().replace(&home, "");
        let mut lines: Vec<String> = needs
            .iter()
            .map(|need| match &need.kind {
                NeedKind::Tree => format!("tree {}", short(&need.path)),
                NeedKind::File => format!("file {}", short(&need.path)),
                NeedKind::Symlink { target } => {
                    format!("link {} -> {}", short(&need.path), short(target))
                }
            })
            .collect();
        lines.sort();
        lines
    }

    /// Resolves, and compares program, needs and PATH; all without the home.
    #[track_caller]
    pub(super) fn expect(&self, command: &str, program: &str, needs: &[&str], path: &[&str]) {
        self.expect_with(command, &[], program, needs);
        let found = self.resolve(command).unwrap();
        let dirs: Vec<PathBuf> = path.iter().map(|dir| self.at(dir)).collect();
        assert_eq!(found.path_dirs, dirs);
    }

    #[track_caller]
    pub(super) fn expect_with(&self, command: &str, args: &[&str], program: &str, needs: &[&str]) {
        let found = self.resolve_with(command, args).unwrap();
        assert_eq!(found.program, self.at(program));
        assert_eq!(self.brief(&found.needs), needs);
    }
}

pub(super) fn executable(path: PathBuf) -> PathBuf {
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// A made-up ELF file that asks the loader for things.
#[derive(Debug, Default, Clone)]
pub(super) struct Elf {
    pub(super) loader: Option<&'static str>,
    pub(super) needed: Vec<&'static str>,
    pub(super) rpath: Option<&'static str>,
    pub(super) runpath: Option<&'static str>,
    pub(super) machine: Option<u16>,
}

pub(super) const LOADER: &str = if cfg!(target_arch = "aarch64") {
    "/lib/ld-linux-aarch64.so.1"
} else {
    "/lib64/ld-linux-x86-64.so.2"
};

impl Elf {
    pub(super) fn build(&self) -> Vec<u8> {
        let native = if cfg!(target_arch = "aarch64") { 183 } else { 62 };
        let mut strings = vec![0u8];
        let mut string = |text: &str| {
            let at = strings.len() as u64;
            strings.extend(text.as_bytes());
            strings.push(0);
            at
        };
        let mut dynamic: Vec<(u64, u64)> = Vec::new();
        dynamic.extend(self.needed.iter().map(|name| (1, string(name))));
        dynamic.extend(self.rpath.map(|list| (15, string(list))));
        dynamic.extend(self.runpath.map(|list| (29, string(list))));
        // Header, three program headers, then the dynamic section, the loader, the strings.
        let dynamic_at = 64 + 3 * 56;
        let dynamic_size = (dynamic.len() as u64 + 3) * 16;
        let loader: Vec<u8> =
            self.loader.map(|l| [l.as_bytes(), b"\0"].concat()).unwrap_or_default();
        let loader_at = dynamic_at + dynamic_size;
        let strings_at = loader_at + loader.len() as u64;
        dynamic.extend([(5, strings_at), (10, strings.len() as u64), (0, 0)]);
        let end = strings_at + strings.len() as u64;

        let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
        file.extend(3u16.to_le_bytes());
        file.extend(self.machine.unwrap_or(native).to_le_bytes());
        file.extend(1u32.to_le_bytes());
        file.extend([0u64, 64, 0].into_iter().flat_map(u64::to_le_bytes));
        file.extend(0u32.to_le_bytes());
        file.extend([64u16, 56, 3, 0, 0, 0].into_iter().flat_map(u16::to_le_bytes));
        let interp = if self.loader.is_some() { 3 } else { 0 };
        let segments = [
            (1u32, 0, end),
            (interp, loader_at, loader.len() as u64),
            (2, dynamic_at, dynamic_size),
        ];
        for (kind, at, size) in segments {
            file.extend(kind.to_le_bytes());
            file.extend(4u32.to_le_bytes());
            file.extend([at, at, at, size, size, 1].into_iter().flat_map(u64::to_le_bytes));
        }
        for (tag, value) in dynamic {
            file.extend(tag.to_le_bytes());
            file.extend(value.to_le_bytes());
        }
        file.extend(loader);
        file.extend(strings);
        file
    }
}

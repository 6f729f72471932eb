//! Writes the generated documents below `docs/` (or the folder that is named): `make gen`.

use jail::docs::{self, FOLDERS};
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let folder = env::args_os().nth(1).map_or_else(|| PathBuf::from("docs"), PathBuf::from);
    for of_ours in FOLDERS {
        clear(&folder.join(of_ours))?;
    }
    for document in docs::all()? {
        let path = folder.join(&document.path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&path, &document.contents)?;
    }
    Ok(())
}

/// What a verb that is gone has left would stay for ever.
fn clear(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

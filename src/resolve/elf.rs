//! What an ELF file asks the loader for, and nothing else of it.
//!
//! The file may be anything: each read is bounded here before it is made, and no count, size or
//! offset of the file's is believed.

use object::LittleEndian;
use object::elf::{self, FileHeader64, ProgramHeader64};
use object::read::elf::{Dyn, FileHeader, ProgramHeader};
use object::read::{ReadCache, ReadRef};
use std::ffi::OsString;
use std::io::{Read, Seek};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// The kernel refuses program headers beyond 64 KiB.
const MAX_SEGMENTS: u16 = 1024;
const MAX_DYNAMIC: u64 = 64 * 1024;
const MAX_STRING: u64 = 4096;
/// Of DT_NEEDED entries; large desktop programs have about 150.
const MAX_NEEDED: usize = 1024;

type Header = FileHeader64<LittleEndian>;
type Segment = ProgramHeader64<LittleEndian>;

/// The part of an ELF file that names other files.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Elf {
    /// PT_INTERP: the loader; none for a static program or a library.
    pub(super) loader: Option<PathBuf>,
    /// DT_NEEDED, in order.
    pub(super) needed: Vec<OsString>,
    /// DT_RPATH and DT_RUNPATH as written: with `$ORIGIN`, parted by colons.
    pub(super) rpath: Option<OsString>,
    pub(super) runpath: Option<OsString>,
}

/// Why a file is of no use as a program or library here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum BadElf {
    NotElf,
    Foreign(String),
    Damaged(&'static str),
}

/// The machine that this `jail` was built for, which is the one it runs on.
const NATIVE: u16 = if cfg!(target_arch = "aarch64") {
    elf::EM_AARCH64
} else if cfg!(target_arch = "riscv64") {
    elf::EM_RISCV
} else {
    elf::EM_X86_64
};

/// Reads what `stream` asks the loader for.
pub(super) fn read<R: Read + Seek>(mut stream: R) -> Result<Elf, BadElf> {
    check_ident(&mut stream)?;
    let cache = ReadCache::new(stream);
    let header = Header::parse(&cache).map_err(|_| BadElf::Damaged("its header is cut off"))?;
    // Checked before `program_headers`, which would allocate whatever the file says.
    if header.e_phnum.get(LittleEndian) > MAX_SEGMENTS {
        return Err(BadElf::Damaged("it has too many segments"));
    }
    let segments = header
        .program_headers(LittleEndian, &cache)
        .map_err(|_| BadElf::Damaged("its program headers are cut off"))?;
    let mut elf = Elf { loader: loader(segments, &cache)?, ..Elf::default() };
    if let Some(dynamic) = segment(segments, elf::PT_DYNAMIC) {
        read_dynamic(&mut elf, dynamic, segments, &cache)?;
    }
    Ok(elf)
}

/// Is this an ELF file for this machine? Reads 20 bytes, as ld.so does to pass over others.
pub(super) fn check_ident<R: Read + Seek>(stream: &mut R) -> Result<(), BadElf> {
    let mut ident = [0; 20];
    let cut = BadElf::Damaged("its header is cut off");
    let magic = stream.rewind().and_then(|()| stream.read_exact(&mut ident[..4]));
    if magic.is_err() || ident[..4] != elf::ELFMAG {
        return Err(BadElf::NotElf);
    }
    stream.read_exact(&mut ident[4..]).map_err(|_| cut)?;
    let little = ident[5] == elf::ELFDATA2LSB;
    let machine = [ident[18], ident[19]];
    let machine = if little { u16::from_le_bytes(machine) } else { u16::from_be_bytes(machine) };
    let wide = ident[4] == elf::ELFCLASS64;
    if wide && little && machine == NATIVE {
        return Ok(());
    }
    Err(BadElf::Foreign(machine_name(machine, wide, little)))
}

fn machine_name(machine: u16, wide: bool, little: bool) -> String {
    let name = match machine {
        elf::EM_386 => "32-bit x86",
        elf::EM_X86_64 if !wide => "x32 (x86-64 with 32-bit addresses)",
        elf::EM_X86_64 => "x86-64",
        elf::EM_ARM => "32-bit ARM",
        elf::EM_AARCH64 => "64-bit ARM (aarch64)",
        elf::EM_RISCV => "RISC-V",
        elf::EM_PPC64 if little => "ppc64le",
        elf::EM_PPC64 => "ppc64",
        elf::EM_S390 => "s390x",
        elf::EM_LOONGARCH => "LoongArch",
        other => return format!("an unknown machine (ELF number {other})"),
    };
    name.to_owned()
}

fn segment(segments: &[Segment], kind: u32) -> Option<&Segment> {
    segments.iter().find(|segment| segment.p_type(LittleEndian) == kind)
}

fn loader<'d>(segments: &[Segment], data: impl ReadRef<'d>) -> Result<Option<PathBuf>, BadElf> {
    let Some(segment) = segment(segments, elf::PT_INTERP) else { return Ok(None) };
    let (offset, size) = segment.file_range(LittleEndian);
    // Two bytes at least and a page at most: the kernel's own limits.
    if !(2..=MAX_STRING).contains(&size) {
        return Err(BadElf::Damaged("the name of its loader has an impossible length"));
    }
    let bytes = data
        .read_bytes_at(offset, size)
        .map_err(|()| BadElf::Damaged("the name of its loader is cut off"))?;
    let name =
        bytes.strip_suffix(&[0]).ok_or(BadElf::Damaged("the name of its loader has no end"))?;
    let name = name.split(|byte| *byte == 0).next().unwrap_or(name);
    Ok(Some(PathBuf::from(OsString::from_vec(name.to_vec()))))
}

fn read_dynamic<'d>(
    elf: &mut Elf,
    segment: &Segment,
    segments: &[Segment],
    data: impl ReadRef<'d>,
) -> Result<(), BadElf> {
    if segment.p_filesz(LittleEndian) > MAX_DYNAMIC {
        return Err(BadElf::Damaged("its dynamic section is too large"));
    }
    let entries = segment
        .dynamic(LittleEndian, data)
        .map_err(|_| BadElf::Damaged("its dynamic section is cut off"))?
        .unwrap_or_default();
    let entries = entries.split(|entry| entry.d_tag(LittleEndian) == 0).next().unwrap_or_default();
    let value = |tag: u32| {
        let found = entries.iter().find(|entry| entry.d_tag(LittleEndian) == u64::from(tag));
        found.map(|entry| entry.d_val(LittleEndian))
    };
    let needed: Vec<u64> = entries
        .iter()
        .filter(|entry| entry.d_tag(LittleEndian) == u64::from(elf::DT_NEEDED))
        .map(|entry| entry.d_val(LittleEndian))
        .take(MAX_NEEDED)
        .collect();
    let (rpath, runpath) = (value(elf::DT_RPATH), value(elf::DT_RUNPATH));
    if needed.is_empty() && rpath.is_none() && runpath.is_none() {
        return Ok(());
    }
    let strings = value(elf::DT_STRTAB)
        .and_then(|address| file_offset(segments, address))
        .ok_or(BadElf::Damaged("its string table is nowhere in the file"))?;
    let size = value(elf::DT_STRSZ).unwrap_or(u64::MAX);
    let string = |offset: u64| string_at(data, strings, offset, size);
    elf.needed = needed.into_iter().map(string).collect::<Result<_, _>>()?;
    elf.rpath = rpath.map(string).transpose()?;
    elf.runpath = runpath.map(string).transpose()?;
    Ok(())
}

/// Where the file has what is loaded at `address`.
fn file_offset(segments: &[Segment], address: u64) -> Option<u64> {
    segments.iter().filter(|segment| segment.p_type(LittleEndian) == elf::PT_LOAD).find_map(
        |segment| {
            let into = address.checked_sub(segment.p_vaddr(LittleEndian))?;
            let (offset, size) = segment.file_range(LittleEndian);
            (into < size).then(|| offset.checked_add(into)).flatten()
        },
    )
}

fn string_at<'d>(
    data: impl ReadRef<'d>,
    table: u64,
    offset: u64,
    size: u64,
) -> Result<OsString, BadElf> {
    let bad = BadElf::Damaged("a name in its dynamic section is cut off");
    let range = || {
        let start = table.checked_add(offset)?;
        let left = size.checked_sub(offset)?;
        let end = start.checked_add(left.min(MAX_STRING))?.min(data.len().ok()?);
        (start < end).then_some(start..end)
    };
    let range = range().ok_or_else(|| bad.clone())?;
    let bytes = data.read_bytes_at_until(range, 0).map_err(|()| bad)?;
    Ok(OsString::from_vec(bytes.to_vec()))
}

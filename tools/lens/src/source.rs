//! Which line of a program's source has made a call: by unwinding its stack, with the tables that its files have for
//! exceptions (.eh_frame), and by the debug information.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::rc::Rc;

use addr2line::demangle_auto;
use framehop::{
    CacheNative, ExplicitModuleSectionInfo, FrameAddress, Module, UnwindRegsNative, Unwinder,
    UnwinderNative,
};
use gimli::{BaseAddresses, EhFrame, EhFrameHdr, EndianSlice, NativeEndian, UnwindSection};
use nix::unistd::Pid;
use object::{Object, ObjectSection, ObjectSegment};

use crate::memory::Memory;
use crate::record::Line;

/// Frames after which a search for one's own source is given up.
const DEEPEST: usize = 64;

/// The registers that unwinding begins with.
#[derive(Clone, Copy, Debug)]
pub struct Registers {
    /// The address of the next instruction.
    pub pc: u64,
    /// The stack pointer.
    pub sp: u64,
    /// The frame pointer: rbp, or x29.
    pub fp: u64,
    /// Where the function returns to, x30. On x86_64 that is on the stack.
    pub lr: u64,
}

/// An executable file, or a library, that a traced process has in its memory.
struct Image {
    loader: Option<addr2line::Loader>,
    sections: Sections,
    /// For each part that is loaded to be executed: its place in the file, how long it is there, and its address.
    segments: Vec<(u64, u64, u64)>,
    /// The first bytes, to see whether it is this file that a process has.
    head: Vec<u8>,
}

/// The tables for unwinding, and the addresses that they have by the file's own reckoning.
#[derive(Clone, Default)]
struct Sections {
    text: Option<u64>,
    eh_frame: Option<(u64, Rc<[u8]>)>,
    eh_frame_hdr: Option<(u64, Rc<[u8]>)>,
    text_end: u64,
}

/// A part of an image in a process's memory that can be executed.
struct Mapped {
    start: u64,
    end: u64,
    /// What is added to an address of the file.
    bias: u64,
    image: Rc<Image>,
    /// Whether it is the program itself, and no library.
    program: bool,
}

/// The memory of a process, as far as code goes.
struct Space {
    maps: String,
    mapped: Vec<Mapped>,
    unwinder: UnwinderNative<Rc<[u8]>, framehop::MayAllocateDuringUnwind>,
}

/// Finds lines.
pub struct Source {
    images: HashMap<String, Rc<Image>>,
    spaces: HashMap<Pid, Space>,
    cache: CacheNative<framehop::MayAllocateDuringUnwind>,
}

/// The lines that a call was made by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    /// The line of the program: of a stage where there is one, and else of what is the program's own.
    pub line: Option<Line>,
    /// The innermost line of the program's own, where that is another one.
    pub inner: Option<Line>,
}

impl Source {
    /// Returns one that has not looked at anything yet.
    pub fn new() -> Source {
        Source { images: HashMap::new(), spaces: HashMap::new(), cache: CacheNative::new() }
    }

    /// Forgets what a process has in its memory: it is gone.
    pub fn forget(&mut self, process: Pid) {
        self.spaces.remove(&process);
    }

    /// Returns the lines that a stopped task's call was made by: none where that can't be told.
    pub fn lines(&mut self, process: Pid, task: Pid, registers: Registers) -> Lines {
        let Some(maps) = fs::read_to_string(format!("/proc/{task}/maps")).ok() else {
            return Lines::default();
        };
        if self.spaces.get(&process).is_none_or(|space| space.maps != maps) {
            let space = Space::new(task, maps, &mut self.images);
            self.spaces.insert(process, space);
        }
        let space = &self.spaces[&process];
        let mut found = Lines::default();
        for address in space.addresses(task, registers, &mut self.cache) {
            for line in space.own_lines(address) {
                // Stages are in folders that begin with their number.
                let stage = line.file.starts_with(|c: char| c.is_ascii_digit());
                match &found.line {
                    Some(_) if stage => found.inner = found.line.replace(line),
                    Some(_) => continue,
                    None => found.line = Some(line),
                }
                if stage {
                    return found;
                }
            }
        }
        found
    }
}

impl Space {
    fn new(task: Pid, maps: String, images: &mut HashMap<String, Rc<Image>>) -> Space {
        let lines: Vec<_> = maps.lines().filter_map(Mapping::parse).collect();
        let program = fs::metadata(format!("/proc/{task}/exe"));
        let program = program.map(|file| std::os::unix::fs::MetadataExt::ino(&file)).ok();
        let mut mapped = Vec::new();
        let mut unwinder = UnwinderNative::new();
        for mapping in lines.iter().filter(|mapping| mapping.executable) {
            let is_program = program == Some(mapping.inode);
            let first = lines.iter().find(|other| other.file == mapping.file && other.offset == 0);
            let Some(image) =
                first.and_then(|first| open(images, task, mapping, is_program, first.start))
            else {
                continue;
            };
            let Some(bias) = image.bias(mapping.start, mapping.offset) else { continue };
            unwinder.add_module(image.module(mapping, bias));
            let (start, end) = (mapping.start, mapping.end);
            mapped.push(Mapped { start, end, bias, image, program: is_program });
        }
        Space { mapped, unwinder, maps }
    }

    fn at(&self, address: u64) -> Option<&Mapped> {
        self.mapped.iter().find(|mapped| (mapped.start..mapped.end).contains(&address))
    }

    /// Returns the address of a task's next instruction, and those that its functions return to, from the innermost
    /// on, as far as the tables say. framehop goes on by the frame pointer where there are none, and that would be a guess.
    fn addresses(
        &self,
        task: Pid,
        registers: Registers,
        cache: &mut CacheNative<framehop::MayAllocateDuringUnwind>,
    ) -> Vec<FrameAddress> {
        let mut read = |address| Memory(task).word(address).ok_or(());
        let mut address = FrameAddress::from_instruction_pointer(registers.pc);
        let mut registers = registers;
        let mut found = vec![address];
        if !self.has_table(address) {
            let Some(caller) = self.return_of_a_leaf(&mut registers, &mut read) else {
                return found;
            };
            address = caller;
            found.push(address);
        }
        let mut registers = unwind_registers(registers);
        while found.len() < DEEPEST && self.has_table(address) {
            let next = self.unwinder.unwind_frame(address, &mut registers, cache, &mut read);
            let Ok(Some(next)) = next.map(|next| next.and_then(FrameAddress::from_return_address))
            else {
                break;
            };
            address = next;
            found.push(address);
        }
        found
    }

    /// Whether the tables have an entry for the function at this address.
    fn has_table(&self, address: FrameAddress) -> bool {
        let address = address.address_for_lookup();
        self.at(address).is_some_and(|mapped| mapped.image.sections.cover(address - mapped.bias))
    }

    /// Returns where a function without a table returns to, if that is certain. The C library's clone() ends its
    /// entry before the call, for the child's sake; it has put nothing on the stack. So the address is on top of the
    /// stack, or in a register, and it is one only if the instruction before it is a call.
    fn return_of_a_leaf(
        &self,
        registers: &mut Registers,
        read: &mut impl FnMut(u64) -> Result<u64, ()>,
    ) -> Option<FrameAddress> {
        self.at(registers.pc)?.image.sections.eh_frame.as_ref()?;
        let caller = if cfg!(target_arch = "x86_64") {
            let caller = read(registers.sp).ok()?;
            registers.sp += 8;
            caller
        } else {
            registers.lr
        };
        registers.pc = caller;
        let before = read(caller.checked_sub(8)?).ok()?.to_le_bytes();
        let caller = FrameAddress::from_return_address(caller)?;
        (follows_a_call(before) && self.has_table(caller)).then_some(caller)
    }

    /// Returns the lines of the program's own source at this address, from the innermost on: several where functions
    /// are inlined.
    fn own_lines(&self, address: FrameAddress) -> Vec<Line> {
        let address = address.address_for_lookup();
        let mut lines = Vec::new();
        let Some(mapped) = self.at(address).filter(|mapped| mapped.program) else { return lines };
        let Some(loader) = &mapped.image.loader else { return lines };
        let address = address - mapped.bias;
        let Ok(mut frames) = loader.find_frames(address) else { return lines };
        while let Ok(Some(frame)) = frames.next() {
            let location = frame.location.and_then(|at| Some((at.file?, at.line?)));
            let Some((file, line)) = location else { continue };
            let Some(file) = own_file(file) else { continue };
            let function = match &frame.function {
                Some(function) => function.demangle().ok(),
                // Where the debug information is of lines alone, the symbols have the names of what is not inlined.
                None => loader.find_symbol(address).map(|name| demangle_auto(name.into(), None)),
            };
            let Some(function) = function else { continue };
            lines.push(Line { function: short(&function), file, line });
        }
        lines
    }
}

/// Whether the 8 bytes before an address end in an instruction that calls.
#[cfg(target_arch = "x86_64")]
fn follows_a_call(before: [u8; 8]) -> bool {
    // call rel32; call [rip+rel32] and call [register+disp32]; call register, and call [register].
    before[3] == 0xe8
        || (before[2] == 0xff && before[3] >> 3 & 7 == 2)
        || (before[6] == 0xff && before[7] >> 3 & 7 == 2)
        || (before[5] == 0xff && before[6] >> 3 & 7 == 2)
}

/// Whether the 8 bytes before an address end in an instruction that calls.
#[cfg(target_arch = "aarch64")]
fn follows_a_call(before: [u8; 8]) -> bool {
    let instruction = u32::from_le_bytes([before[4], before[5], before[6], before[7]]);
    // bl, and blr.
    instruction >> 26 == 0b10_0101 || instruction & 0xffff_fc1f == 0xd63f_0000
}

#[cfg(target_arch = "x86_64")]
fn unwind_registers(registers: Registers) -> UnwindRegsNative {
    UnwindRegsNative::new(registers.pc, registers.sp, registers.fp)
}

#[cfg(target_arch = "aarch64")]
fn unwind_registers(registers: Registers) -> UnwindRegsNative {
    UnwindRegsNative::new(registers.lr, registers.sp, registers.fp)
}

/// Returns a file as it is shown: from the folder of its crate on, as in `05-user/src/main.rs`, wherever that is, or by its
/// name if it belongs to no crate. Sources of the standard library and of crates from elsewhere are left out.
fn own_file(file: &str) -> Option<String> {
    let others = ["/rustc/", "/rustc-", "/.cargo/", "/.rustup/", "/registry/src/", "/rustlib/"];
    if others.iter().any(|place| file.contains(place)) {
        return None;
    }
    let folder = file.rfind("/src/").and_then(|src| file[..src].rfind('/'));
    Some(match folder {
        Some(folder) => file[folder + 1..].into(),
        None => Path::new(file).file_name()?.to_string_lossy().into_owned(),
    })
}

/// Returns the last part of a function's name, with its type where it has one, and without closures.
fn short(name: &str) -> String {
    let mut depth = 0;
    let plain: String = name
        .chars()
        .filter(|c| {
            depth += i32::from(*c == '<');
            let keep = depth == 0;
            depth -= i32::from(*c == '>' && depth > 0);
            keep
        })
        .collect();
    let mut parts = plain.rsplit("::").filter(|part| !part.is_empty() && !part.starts_with('{'));
    let last = parts.next().unwrap_or(name);
    match parts.next() {
        Some(kind) if kind.starts_with(char::is_uppercase) => format!("{kind}::{last}"),
        _ => last.into(),
    }
}

/// A line of /proc/PID/maps.
#[derive(Clone, Debug)]
struct Mapping<'a> {
    start: u64,
    end: u64,
    executable: bool,
    offset: u64,
    /// Device and inode.
    file: &'a str,
    inode: u64,
    path: &'a str,
}

impl Mapping<'_> {
    fn parse(line: &str) -> Option<Mapping<'_>> {
        let hex = |text| u64::from_str_radix(text, 16).ok();
        let mut fields = line.split(' ');
        let (start, end) = fields.next()?.split_once('-')?;
        let executable = fields.next()?.contains('x');
        let offset = hex(fields.next()?)?;
        let (device, inode) = (fields.next()?, fields.next()?);
        let from = device.as_ptr() as usize - line.as_ptr() as usize;
        let file = &line[from..from + device.len() + 1 + inode.len()];
        let inode = inode.parse().ok().filter(|inode| *inode != 0)?;
        let path = line[from + device.len() + 1..].split_once(' ')?.1.trim_start();
        Some(Mapping { start: hex(start)?, end: hex(end)?, executable, offset, file, inode, path })
    }
}

/// Opens the file of a mapping, whose first bytes the process has at `head`: none unless it is the very file.
fn open(
    images: &mut HashMap<String, Rc<Image>>,
    task: Pid,
    mapping: &Mapping,
    program: bool,
    head: u64,
) -> Option<Rc<Image>> {
    let is_it = |image: &Image| {
        Memory(task).bytes(head, image.head.len()).is_some_and(|head| head == image.head)
    };
    if let Some(image) = images.get(mapping.file) {
        return is_it(image).then(|| image.clone());
    }
    // The path of a program that has changed its root is gone, and another file may have it.
    let ways = [
        program.then(|| format!("/proc/{task}/exe")),
        Some(format!("/proc/{task}/root{}", mapping.path)),
        Some(mapping.path.to_string()),
    ];
    let image = ways.into_iter().flatten().find_map(|way| Image::open(&way).filter(is_it))?;
    let image = Rc::new(image);
    images.insert(mapping.file.to_string(), image.clone());
    Some(image)
}

impl Image {
    fn open(path: &str) -> Option<Image> {
        let file = fs::File::open(path)
            .ok()
            .filter(|file| file.metadata().is_ok_and(|metadata| metadata.is_file()))?;
        let data = object::ReadCache::new(file);
        let object = object::File::parse(&data).ok()?;
        let section = |name: &str| {
            let section = object.section_by_name(name)?;
            Some((section.address(), Rc::from(section.uncompressed_data().ok()?)))
        };
        let text = object.section_by_name(".text");
        let sections = Sections {
            text: text.as_ref().map(|text| text.address()),
            text_end: text.map_or(0, |text| text.address() + text.size()),
            eh_frame: section(".eh_frame"),
            eh_frame_hdr: section(".eh_frame_hdr"),
        };
        let executable = |flags| match flags {
            object::SegmentFlags::Elf { p_flags } => p_flags & object::elf::PF_X != 0,
            _ => false,
        };
        let segments = object
            .segments()
            // Another part may end in the page in which this one begins.
            .filter(|segment| executable(segment.flags()))
            .map(|segment| {
                let (offset, size) = segment.file_range();
                (offset, size, segment.address())
            })
            .collect();
        Some(Image {
            loader: addr2line::Loader::new(path).ok(),
            sections,
            segments,
            head: head_of(path)?,
        })
    }

    /// Returns what is added to the file's addresses where its part at `offset` is mapped at `start`.
    fn bias(&self, start: u64, offset: u64) -> Option<u64> {
        const PAGE: u64 = 4096;
        let (place, _, address) = self
            .segments
            .iter()
            .find(|(place, size, _)| (place - place % PAGE..place + size).contains(&offset))?;
        // Where it is not a number of pages up, it is one down: both wrap around.
        Some(start.wrapping_sub(address.wrapping_sub(*place).wrapping_add(offset)))
    }

    fn module(&self, mapping: &Mapping, bias: u64) -> Module<Rc<[u8]>> {
        let range = |section: &Option<(u64, Rc<[u8]>)>| {
            section.as_ref().map(|(at, data)| *at..at + data.len() as u64)
        };
        let data =
            |section: &Option<(u64, Rc<[u8]>)>| section.as_ref().map(|(_, data)| data.clone());
        let sections = &self.sections;
        let info = ExplicitModuleSectionInfo {
            text_svma: sections.text.map(|start| start..sections.text_end),
            eh_frame_svma: range(&sections.eh_frame),
            eh_frame: data(&sections.eh_frame),
            eh_frame_hdr_svma: range(&sections.eh_frame_hdr),
            eh_frame_hdr: data(&sections.eh_frame_hdr),
            ..Default::default()
        };
        Module::new(mapping.path.into(), mapping.start..mapping.end, bias, info)
    }
}

impl Sections {
    /// Whether there is an entry for the function at this address of the file.
    fn cover(&self, address: u64) -> bool {
        let (Some((at, data)), Some((header_at, header))) = (&self.eh_frame, &self.eh_frame_hdr)
        else {
            return false;
        };
        let bases = BaseAddresses::default()
            .set_eh_frame(*at)
            .set_eh_frame_hdr(*header_at)
            .set_text(self.text.unwrap_or_default());
        let frames = EhFrame::new(data, NativeEndian);
        let header = EhFrameHdr::<EndianSlice<NativeEndian>>::new(header, NativeEndian);
        header.parse(&bases, 8).is_ok_and(|parsed| {
            parsed.table().is_some_and(|table| {
                table
                    .fde_for_address(&frames, &bases, address, EhFrame::cie_from_offset)
                    .is_ok_and(|entry| entry.contains(address))
            })
        })
    }
}

/// Returns the first bytes of a file: its headers, and with them its build id.
fn head_of(path: &str) -> Option<Vec<u8>> {
    use std::io::Read;
    let mut head = Vec::new();
    fs::File::open(path).ok()?.take(1024).read_to_end(&mut head).ok()?;
    Some(head)
}

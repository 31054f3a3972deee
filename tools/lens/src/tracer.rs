//! Follows a program and all that it starts, and writes down the calls of the table: ptrace(2).

use std::collections::HashMap;

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace;
use nix::unistd::Pid;

use crate::calls::{self, Entry, Meaning, Row, Shown, netlink};
use crate::filter::{NATIVE, X32};
use crate::lanes::{HOST, Lanes};
use crate::launch;
use crate::process::{self, Identity, Namespaces};
use crate::record::{Call, EXIT, OTHER, Process, Recording};
use crate::source::{Lines, Source};

/// A thread that is traced.
struct Task {
    /// Its process, by its place in the recording.
    process: usize,
    /// The same, by its id.
    group: Pid,
    namespaces: Namespaces,
    pending: Option<Pending>,
    /// The netlink requests whose answer has not come: by their sequence numbers, the call that made them.
    asked: HashMap<u32, usize>,
}

/// A call that has been entered, and has not returned.
struct Pending {
    number: u64,
    entry: Entry,
    /// Its place in the recording. Calls that receive the answer to another are not recorded.
    call: Option<usize>,
}

/// A child, as its parent was when it made it: that may be gone before the child begins.
struct Born {
    parent: usize,
    namespaces: Namespaces,
    /// The call that has made it.
    call: Option<usize>,
}

/// A run that is followed.
struct Tracer {
    launcher: Pid,
    all: bool,
    /// Whether a filter stops tasks for the calls of the table. Without one they stop for all.
    filter: bool,
    /// Whether the program has been executed.
    executed: bool,
    tasks: HashMap<Pid, Task>,
    /// Children that the parent has told of, and that have not stopped yet.
    announced: HashMap<Pid, Born>,
    /// Children that have stopped, and whose parent has not told of them yet.
    waiting: Vec<Pid>,
    lanes: Lanes,
    source: Source,
    recording: Recording,
    /// How the launcher has ended: a status of wait(2).
    status: Option<i32>,
}

/// Follows a program that was started, and let go, to the end of all that it starts. Returns what was seen, and the launcher's
/// status as wait(2) has it.
///
/// - `all`: record every call.
/// - `filter`: the program was started with a filter.
///
/// # Errors
///
/// ptrace(2), wait(2).
pub fn follow(launcher: Pid, all: bool, filter: bool, source: Source) -> Result<(Recording, i32)> {
    let mut tracer = Tracer {
        launcher,
        all,
        filter,
        executed: false,
        tasks: HashMap::new(),
        announced: HashMap::new(),
        waiting: Vec::new(),
        lanes: Lanes::default(),
        source,
        recording: Recording::default(),
        status: None,
    };
    tracer.add(launcher, None);
    loop {
        let (pid, status) = match wait() {
            // All have ended, those included that were about to begin.
            Err(Errno::ECHILD) => break,
            result => result.context("wait for the traced processes")?,
        };
        match tracer.handle(pid, status) {
            // Only SIGKILL ends a process that is stopped, and it does so at any time. wait(2) tells.
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(errno) => return Err(errno).context("trace a process"),
        }
    }
    let Some(status) = tracer.status else { bail!("the program's end was not seen") };
    Ok((tracer.recording, status))
}

/// Waits for any child, threads included: waitpid(2), `__WALL`. nix knows neither real-time signals nor group stops.
fn wait() -> nix::Result<(Pid, i32)> {
    let mut status = 0;
    loop {
        // SAFETY: waitpid(2) writes to the one pointer that it gets, which is to this function's variable.
        match Errno::result(unsafe { libc::waitpid(-1, &mut status, libc::__WALL) }) {
            Err(Errno::EINTR) => {}
            result => return result.map(|pid| (Pid::from_raw(pid), status)),
        }
    }
}

impl Tracer {
    fn handle(&mut self, pid: Pid, status: i32) -> nix::Result<()> {
        if !libc::WIFSTOPPED(status) {
            self.ended(pid, status);
            return Ok(());
        }
        let signal = libc::WSTOPSIG(status);
        let event = status >> 16;
        if event == libc::PTRACE_EVENT_STOP {
            return self.stopped(pid, signal);
        }
        match event {
            0 if signal == libc::SIGTRAP | 0x80 => self.at_call(pid)?,
            // A signal on its way to the task, which gets it now.
            0 => return self.resume(pid, signal),
            libc::PTRACE_EVENT_SECCOMP => self.at_call(pid)?,
            libc::PTRACE_EVENT_CLONE | libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK => {
                let child = Pid::from_raw(ptrace::getevent(pid)? as i32);
                self.announce(pid, child)?;
            }
            libc::PTRACE_EVENT_EXEC => {
                self.executes(pid, Pid::from_raw(ptrace::getevent(pid)? as i32))
            }
            _ => {}
        }
        self.resume(pid, 0)
    }

    /// Lets a task go on, with a signal if `signal` is not 0: to the end of its call where one is awaited.
    fn resume(&self, pid: Pid, signal: i32) -> nix::Result<()> {
        let pending = self.tasks.get(&pid).is_some_and(|task| task.pending.is_some());
        let request =
            if !self.filter || pending { libc::PTRACE_SYSCALL } else { libc::PTRACE_CONT };
        launch::ptrace(request, pid, signal)
    }

    /// A task has stopped: a new one, or one that a stopping signal stops with its process.
    fn stopped(&mut self, pid: Pid, signal: i32) -> nix::Result<()> {
        if !self.tasks.contains_key(&pid) {
            if !self.announced.contains_key(&pid) {
                self.waiting.push(pid);
                return Ok(());
            }
            return self.begin(pid);
        }
        match signal {
            libc::SIGSTOP | libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU => {
                // It stays stopped until SIGCONT: ptrace(2), group-stop.
                launch::ptrace(libc::PTRACE_LISTEN, pid, 0)?;
                if pid == self.launcher {
                    launch::stop_too();
                }
                Ok(())
            }
            _ => self.resume(pid, 0),
        }
    }

    /// A task says that it has made a child.
    fn announce(&mut self, parent: Pid, child: Pid) -> nix::Result<()> {
        let Some(task) = self.tasks.get(&parent) else { return Ok(()) };
        let call = task.pending.as_ref().and_then(|pending| pending.call);
        let namespaces = task.namespaces.clone();
        self.announced.insert(child, Born { parent: task.process, namespaces, call });
        match self.waiting.iter().position(|waiting| *waiting == child) {
            Some(index) => {
                self.waiting.swap_remove(index);
                self.begin(child)
            }
            None => Ok(()),
        }
    }

    /// Lets a new child begin.
    fn begin(&mut self, pid: Pid) -> nix::Result<()> {
        let born = self.announced.remove(&pid);
        self.add(pid, born);
        match self.resume(pid, 0) {
            Err(Errno::ESRCH) => Ok(()),
            result => result,
        }
    }

    /// Takes a new task on: a thread of a process that is known, or the first of a new process.
    fn add(&mut self, pid: Pid, born: Option<Born>) {
        let identity = Identity::of(pid);
        let group = identity.as_ref().map_or(pid, |identity| identity.process);
        let namespaces = Namespaces::of(pid);
        let process = match self.tasks.get(&group).filter(|_| group != pid) {
            Some(leader) => leader.process,
            None => {
                let made_by = born.as_ref().and_then(|born| born.call);
                let (parent, lane) = self.birth(born, &namespaces);
                let name = process::name(pid).unwrap_or_default();
                let own = identity.map_or(pid.as_raw(), |identity| identity.own_pid);
                let host_pid = group.as_raw();
                let process = Process { host_pid, pid: own, lane, name, parent, made_by };
                self.recording.processes.push(process);
                self.recording.processes.len() - 1
            }
        };
        let asked = HashMap::new();
        self.tasks.insert(pid, Task { process, group, namespaces, pending: None, asked });
    }

    /// Returns the parent and the lane of a new process, and says at the call that has made it what is new.
    fn birth(&mut self, born: Option<Born>, own: &Namespaces) -> (Option<usize>, String) {
        let Some(born) = born else { return (None, HOST.into()) };
        let new = own.new_since(&born.namespaces);
        let call = born.call.map(|index| &mut self.recording.calls[index]);
        let asked = call.as_ref().is_some_and(|call| call.text.contains("NEW"));
        let lane = &self.recording.processes[born.parent].lane;
        let lane = self.lanes.of_child(lane, &new, asked, own);
        if let Some(call) = call {
            call.new = new;
        }
        (Some(born.parent), lane)
    }

    /// A task executes a program. Its other threads are gone, and it has the id of the process now.
    fn executes(&mut self, pid: Pid, former: Pid) {
        if former != pid {
            if let Some(task) = self.tasks.remove(&former) {
                self.tasks.insert(pid, task);
            }
        }
        if !self.executed {
            // Until now it was this program, which may have made the user namespace that the run begins in.
            self.executed = true;
            if let Some(task) = self.tasks.get_mut(&pid) {
                task.namespaces = Namespaces::of(pid);
            }
        }
        self.source.forget(pid);
        self.note_privileges(pid);
    }

    /// Says that a set-user-ID program did not get the rights that it is made for: ptrace(2), execve(2).
    fn note_privileges(&mut self, pid: Pid) {
        if nix::unistd::geteuid().is_root() {
            return;
        }
        let path = format!("/proc/{pid}/exe");
        if std::fs::metadata(&path).is_ok_and(|file| crate::program::changes_ids(&file)) {
            let name = std::fs::read_link(&path).unwrap_or_default();
            let name = crate::text::quoted(name.as_os_str().as_encoded_bytes());
            self.note(format!(
                "{name} is a set-user-ID program, and gets no rights while an ordinary user traces it"
            ));
        }
    }

    fn note(&mut self, note: String) {
        if !self.recording.notes.contains(&note) {
            self.recording.notes.push(note);
        }
    }

    /// A task is at a call's entry, or at its end.
    fn at_call(&mut self, pid: Pid) -> nix::Result<()> {
        let info = ptrace::syscall_info(pid)?;
        // SAFETY: `op` says which member of the union the kernel has written: ptrace(2).
        unsafe {
            match info.op {
                libc::PTRACE_SYSCALL_INFO_SECCOMP => {
                    let call = info.u.seccomp;
                    self.enters(pid, info.arch, call.nr, call.args)?;
                }
                libc::PTRACE_SYSCALL_INFO_ENTRY => {
                    let call = info.u.entry;
                    self.enters(pid, info.arch, call.nr, call.args)?;
                }
                libc::PTRACE_SYSCALL_INFO_EXIT => self.returns(pid, info.u.exit.sval),
                _ => {}
            }
        }
        Ok(())
    }

    fn enters(&mut self, pid: Pid, arch: u32, number: u64, args: [u64; 6]) -> nix::Result<()> {
        let Some(task) = self.tasks.get(&pid) else { return Ok(()) };
        if !self.executed && number != libc::SYS_execve as u64 {
            // It is still this program that makes the call.
            return Ok(());
        }
        if arch != NATIVE || number & u64::from(X32) != 0 {
            let name = process::name(pid).unwrap_or_default();
            self.note(format!("{name:?} makes 32-bit system calls, which are not shown"));
            return Ok(());
        }
        let entry = Entry { task: pid, process: task.group, args };
        let answers = i64::try_from(number).is_ok_and(|number| calls::ANSWERS.contains(&number));
        let call = if answers && !self.all {
            if task.asked.is_empty() {
                return Ok(());
            }
            None
        } else {
            let Some((row, shown)) = self.shown(number, &entry) else { return Ok(()) };
            let call = self.record(&entry, row, shown);
            self.expect_answers(&entry, number, call);
            Some(call)
        };
        if let Some(task) = self.tasks.get_mut(&pid) {
            task.pending = Some(Pending { number, entry, call });
        }
        Ok(())
    }

    /// Writes a call down, if it is one of the table, or if all are wanted.
    fn shown(&self, number: u64, entry: &Entry) -> Option<(Option<&'static Row>, Shown)> {
        let row = calls::row(number);
        if let Some((row, shown)) = row.and_then(|row| Some((row, (row.format)(entry)?))) {
            return Some((Some(row), shown));
        }
        self.all.then(|| (None, calls::other(number, entry)))
    }

    fn record(&mut self, entry: &Entry, row: Option<&Row>, shown: Shown) -> usize {
        let task = &self.tasks[&entry.task];
        let Lines { line, inner } = match launch::registers(entry.task) {
            // The C library's vfork() keeps the address that it returns to in a register, and not on the stack.
            // Before the first program is executed, it is this one.
            Some(registers) if self.executed && row.is_none_or(|row| row.name != "vfork") => {
                self.source.lines(task.group, entry.task, registers)
            }
            _ => Lines::default(),
        };
        self.recording.calls.push(Call {
            process: task.process,
            lane: self.recording.processes[task.process].lane.clone(),
            name: process::name(entry.task).unwrap_or_default(),
            call: row.map_or(OTHER, |row| row.name),
            text: shown.text,
            result: None,
            meaning: shown.result,
            new: Vec::new(),
            line,
            inner,
            man: shown.man.or(row.map(|row| row.man)).unwrap_or_default(),
            chapter: shown.chapter.or(row.and_then(|row| row.chapter)),
        });
        self.recording.calls.len() - 1
    }

    /// Remembers which netlink requests are to be answered.
    fn expect_answers(&mut self, entry: &Entry, number: u64, call: usize) {
        if self.recording.calls[call].meaning == Meaning::Request {
            let numbers = netlink::sequence_numbers(entry, number);
            let task = self.tasks.get_mut(&entry.task).expect("it is at a call");
            task.asked.extend(numbers.into_iter().map(|sequence| (sequence, call)));
        }
    }

    fn returns(&mut self, pid: Pid, value: i64) {
        let Some(task) = self.tasks.get_mut(&pid) else { return };
        let Some(pending) = task.pending.take() else { return };
        let number = pending.number;
        if let Some(index) = pending.call {
            let call = &mut self.recording.calls[index];
            call.result = Some(result_of(value));
            self.moved(pid, index);
        }
        if value > 0 && calls::ANSWERS.contains(&(number as i64)) {
            self.answered(pid, &pending.entry, number, value as usize);
        }
    }

    /// Takes down what the kernel says to netlink requests.
    fn answered(&mut self, pid: Pid, entry: &Entry, number: u64, received: usize) {
        let Some(task) = self.tasks.get_mut(&pid) else { return };
        if task.asked.is_empty() {
            return;
        }
        for (sequence, code) in netlink::answers(entry, number, received) {
            let Some(call) = task.asked.get(&sequence) else { continue };
            if code != 0 {
                self.recording.calls[*call].result = Some(Err(Errno::from_raw(code)));
            }
            task.asked.remove(&sequence);
        }
    }

    /// After a call that may have moved its task into other namespaces, says which.
    fn moved(&mut self, pid: Pid, index: usize) {
        let call = &mut self.recording.calls[index];
        if !["unshare", "setns"].contains(&call.call) || call.failed() {
            return;
        }
        let now = Namespaces::of(pid);
        let Some(task) = self.tasks.get_mut(&pid) else { return };
        call.new = now.new_since(&task.namespaces);
        let process = &mut self.recording.processes[task.process];
        process.lane = self.lanes.of_move(&process.lane, &call.new, &now);
        task.namespaces = now;
    }

    /// A task is gone. With the last of a process that is its end.
    fn ended(&mut self, pid: Pid, status: i32) {
        if pid == self.launcher {
            self.status = Some(status);
            let begun = self.tasks.values().filter(|task| task.group != pid).count();
            launch::launcher_is_gone(begun + self.waiting.len() + self.announced.len());
        }
        if let Some(born) = self.announced.remove(&pid) {
            self.stillborn(pid, &born, status);
        }
        let Some(task) = self.tasks.remove(&pid) else { return };
        if task.group != pid {
            return;
        }
        self.source.forget(pid);
        self.record_end(task.process, status);
        self.begin_orphans(task.process, task.namespaces);
    }

    /// A child was killed before it could begin. Where it has new namespaces, nobody can tell what it was.
    fn stillborn(&mut self, pid: Pid, born: &Born, status: i32) {
        let parent = &self.recording.processes[born.parent];
        let Some(made_by) = born.call else { return };
        let call = &self.recording.calls[made_by];
        if parent.pid != parent.host_pid || call.text.contains("NEW") {
            return;
        }
        let (host_pid, lane, name) = (pid.as_raw(), parent.lane.clone(), call.name.clone());
        let (parent, made_by) = (Some(born.parent), Some(made_by));
        self.recording.processes.push(Process {
            host_pid,
            pid: host_pid,
            lane,
            name,
            parent,
            made_by,
        });
        self.record_end(self.recording.processes.len() - 1, status);
    }

    fn record_end(&mut self, process: usize, status: i32) {
        let name = self.recording.calls.iter().rev().find(|call| call.process == process);
        let own = &self.recording.processes[process];
        self.recording.calls.push(Call {
            process,
            lane: own.lane.clone(),
            name: name.map_or(&own.name, |call| &call.name).clone(),
            call: EXIT,
            text: launch::described_end(status),
            result: None,
            meaning: Meaning::Nothing,
            new: Vec::new(),
            line: None,
            inner: None,
            man: "_exit(2)",
            chapter: Some("common.md#status"),
        });
    }

    /// Lets children begin whose parent was killed before it could tell of them: by now they are not its any more.
    fn begin_orphans(&mut self, parent: usize, namespaces: Namespaces) {
        let is_orphan = |child: &Pid| {
            let parent = Identity::of(*child).map(|identity| identity.parent);
            parent.is_none_or(|parent| !self.tasks.contains_key(&parent))
        };
        let (orphans, waiting) = self.waiting.drain(..).partition(is_orphan);
        self.waiting = waiting;
        let orphans: Vec<Pid> = orphans;
        for child in orphans {
            let born = Born { parent, namespaces: namespaces.clone(), call: None };
            self.announced.insert(child, born);
            // Fails when it has been killed, too.
            let _ = self.begin(child);
        }
    }
}

/// Returns what a call has returned, by the number that the kernel returns: errors are small negative ones.
fn result_of(value: i64) -> Result<i64, Errno> {
    match value {
        -4095..0 => Err(Errno::from_raw(-value as i32)),
        value => Ok(value),
    }
}

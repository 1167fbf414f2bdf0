//! What programs that look at the system as a whole have in common.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod signals;

use abi::layout::PAGE_BYTES;
use abi::memory::Protection;
use abi::system::{Mapping, MappingKind, ProcessState};
use core::fmt;
use core::time::Duration;
use rt::processes::Process;

/// KiB of a page.
pub const PAGE_KIB: u64 = PAGE_BYTES / 1024;

/// A state as `ps` has it elsewhere.
pub fn state_letter(state: ProcessState) -> char {
    match state {
        ProcessState::New => 'N',
        ProcessState::Ready => 'R',
        ProcessState::Waiting => 'S',
        ProcessState::Ended => 'Z',
    }
}

/// A process in the list of `ps`.
#[derive(Clone, Copy, Debug)]
pub struct ProcessLine<'a>(pub &'a Process);

impl fmt::Display for ProcessLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Process {
            facts,
            name,
            cpu_time,
        } = self.0;
        let (pid, parent, state) = (facts.pid.0, facts.parent.0, state_letter(facts.state));
        write!(f, "{pid:>5} {parent:>5} {state} ")?;
        write!(
            f,
            "{:>8} {:>7} ",
            facts.mapped * PAGE_KIB,
            facts.frames * PAGE_KIB
        )?;
        match facts.asid {
            0 => f.write_str("   - ")?,
            asid => write!(f, "{asid:>4} ")?,
        }
        write!(f, "{} {name}", CpuTime(*cpu_time))
    }
}

/// How long a process has had a CPU, as `top` has it elsewhere: minutes, seconds, hundredths.
#[derive(Clone, Copy, Debug)]
pub struct CpuTime(pub Duration);

impl fmt::Display for CpuTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, hundredths) = (self.0.as_secs(), self.0.subsec_millis() / 10);
        write!(f, "{:>3}:{:02}.{hundredths:02}", seconds / 60, seconds % 60)
    }
}

/// A mapping, as `/proc/PID/maps` has it elsewhere: whether it is shared, its size, and who owns its translation
/// tables instead of offset and device.
#[derive(Clone, Copy, Debug)]
pub struct MappingLine(pub Mapping);

impl fmt::Display for MappingLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Mapping { start, end, kind, .. } = self.0;
        write!(f, "{start:012x}-{end:012x} ")?;
        for (access, letter) in [
            (Protection::READ, 'r'),
            (Protection::WRITE, 'w'),
            (Protection::EXEC, 'x'),
        ] {
            let granted = self.0.protection.contains(access);
            write!(f, "{}", if granted { letter } else { '-' })?;
        }
        let shared = if self.0.id < 0 { 'p' } else { 's' };
        write!(f, "{shared} {:>8} kB  ", (end - start) / 1024)?;
        match kind {
            MappingKind::Private => f.write_str("own"),
            MappingKind::Physical => f.write_str("own     [not of the allocator]"),
            MappingKind::MessagePage => f.write_str("own     [message page]"),
            MappingKind::Paged => self.segment("own", f),
            MappingKind::Linked => self.segment("shared", f),
            MappingKind::Blocks => self.segment("blocks", f),
        }
    }
}

impl MappingLine {
    fn segment(&self, tables: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{tables:<7} /SYSV{:08x} {}", self.0.key, self.0.id)
    }
}

#[cfg(test)]
mod tests {
    use super::{MappingLine, ProcessLine};
    use abi::memory::Protection;
    use abi::process::Pid;
    use abi::system::{Mapping, MappingKind, ProcessFacts, ProcessState};
    use alloc::string::ToString;
    use core::time::Duration;
    use rt::processes::Process;

    #[test]
    fn a_process_has_a_value_in_every_column() {
        let facts = ProcessFacts {
            pid: Pid(12),
            parent: Pid(1),
            state: ProcessState::Waiting,
            mapped: 1234,
            frames: 56,
            asid: 0,
        };
        let line = ProcessLine(&Process {
            facts,
            name: "shell".into(),
            cpu_time: Duration::from_millis(61_239),
        });
        assert_eq!(
            line.to_string(),
            "   12     1 S     4936     224    -   1:01.23 shell"
        );
    }

    #[test]
    fn a_mapping_says_who_owns_its_tables_and_which_segment_it_is() {
        let mapping = Mapping {
            start: 0x10_0000_0000,
            end: 0x10_0040_0000,
            protection: Protection::READ | Protection::WRITE,
            kind: MappingKind::Linked,
            id: 5,
            key: 0x1267,
        };
        let text = MappingLine(mapping).to_string();
        assert_eq!(
            text,
            "001000000000-001000400000 rw-s     4096 kB  shared  /SYSV00001267 5"
        );
        let private = Mapping {
            kind: MappingKind::Private,
            id: -1,
            ..mapping
        };
        let text = MappingLine(private).to_string();
        assert_eq!(text, "001000000000-001000400000 rw-p     4096 kB  own");
    }
}

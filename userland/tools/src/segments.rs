//! What `ipcs` shows of shared memory segments, in the words and columns of util-linux.

use crate::times::Moment;
use abi::shm::{Mode, SHM_DEST, SHM_LOCKED, ShmId, ShmInfoLimits, ShmInfoTotals, ShmidDs};
use abi::time::ClockSource;
use core::fmt;

/// What a list of segments says of each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Columns {
    /// Key, owner, permissions, size, attachments.
    State,
    /// When it was attached, detached and changed.
    Times,
    /// Which processes created it and used it last.
    Processes,
    /// Who created and who owns it.
    Creators,
}

impl Columns {
    /// What stands above the list.
    pub fn title(self) -> &'static str {
        match self {
            Self::State => "------ Shared Memory Segments --------",
            Self::Times => "------ Shared Memory Attach/Detach/Change Times --------",
            Self::Processes => "------ Shared Memory Creator/Last-op PIDs --------",
            Self::Creators => "------ Shared Memory Segment Creators/Owners --------",
        }
    }

    /// What stands above the columns.
    pub fn header(self) -> &'static str {
        match self {
            Self::State => "key        shmid      owner      perms      bytes      nattch     status",
            Self::Times => "shmid      owner      attached             detached             changed",
            Self::Processes => "shmid      owner      cpid       lpid",
            Self::Creators => "shmid      perms      cuid       cgid       uid        gid",
        }
    }
}

/// A segment in such a list.
#[derive(Clone, Copy, Debug)]
pub struct SegmentLine<'a> {
    /// What is said of it.
    pub columns: Columns,
    /// Its identifier.
    pub id: ShmId,
    /// Its state.
    pub state: &'a ShmidDs,
    /// From when its times count.
    pub source: ClockSource,
}

impl SegmentLine<'_> {
    fn state(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let perm = &self.state.shm_perm;
        write!(f, "{:#010x} {:<10} {:<10} ", perm.key, self.id.raw(), perm.uid)?;
        write!(f, "{:<10o} ", Mode::from_bits(perm.mode).bits())?;
        write!(f, "{:<10} {:<10}", self.state.shm_segsz, self.state.shm_nattch)?;
        for (flag, name) in [(SHM_DEST, " dest"), (SHM_LOCKED, " locked")] {
            if perm.mode & flag != 0 {
                f.write_str(name)?;
            }
        }
        Ok(())
    }

    fn times(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state;
        let [attached, detached, changed] =
            [state.shm_atime, state.shm_dtime, state.shm_ctime].map(|seconds| Moment {
                seconds,
                source: self.source,
            });
        write!(f, "{:<10} {:<10} ", self.id.raw(), state.shm_perm.uid)?;
        write!(f, "{attached:<20} {detached:<20} {changed}")
    }

    fn processes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (state, owner) = (self.state, self.state.shm_perm.uid);
        write!(
            f,
            "{:<10} {owner:<10} {:<10} {}",
            self.id.raw(),
            state.shm_cpid,
            state.shm_lpid
        )
    }

    fn creators(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let perm = &self.state.shm_perm;
        write!(
            f,
            "{:<10} {:<10o} ",
            self.id.raw(),
            Mode::from_bits(perm.mode).bits()
        )?;
        write!(
            f,
            "{:<10} {:<10} {:<10} {}",
            perm.cuid, perm.cgid, perm.uid, perm.gid
        )
    }
}

impl fmt::Display for SegmentLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.columns {
            Columns::State => self.state(f),
            Columns::Times => self.times(f),
            Columns::Processes => self.processes(f),
            Columns::Creators => self.creators(f),
        }
    }
}

/// All that is known of one segment: `ipcs -i`.
#[derive(Clone, Copy, Debug)]
pub struct Details<'a> {
    /// Its identifier.
    pub id: ShmId,
    /// Its state.
    pub state: &'a ShmidDs,
    /// From when its times count.
    pub source: ClockSource,
}

impl fmt::Display for Details<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (state, perm) = (self.state, &self.state.shm_perm);
        let mode = Mode::from_bits(perm.mode).bits();
        writeln!(f, "Shared memory Segment shmid={}", self.id.raw())?;
        writeln!(
            f,
            "uid={}\tgid={}\tcuid={}\tcgid={}",
            perm.uid, perm.gid, perm.cuid, perm.cgid
        )?;
        writeln!(f, "mode=0{:o}\taccess_perms=0{mode:o}", perm.mode)?;
        write!(f, "bytes={}\tlpid={}\t", state.shm_segsz, state.shm_lpid)?;
        writeln!(f, "cpid={}\tnattch={}", state.shm_cpid, state.shm_nattch)?;
        for (name, seconds) in [
            ("att", state.shm_atime),
            ("det", state.shm_dtime),
            ("change", state.shm_ctime),
        ] {
            let source = self.source;
            writeln!(f, "{name}_time={}", Moment { seconds, source })?;
        }
        Ok(())
    }
}

/// How many segments there may be: `ipcs -l`.
#[derive(Clone, Copy, Debug)]
pub struct LimitsText(pub ShmInfoLimits);

impl fmt::Display for LimitsText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limits = &self.0;
        let page_kib = abi::layout::PAGE_BYTES / 1024;
        writeln!(f, "------ Shared Memory Limits --------")?;
        writeln!(f, "max number of segments = {}", limits.shmmni)?;
        writeln!(f, "max seg size (kbytes) = {}", limits.shmmax / 1024)?;
        writeln!(
            f,
            "max total shared memory (kbytes) = {}",
            limits.shmall.saturating_mul(page_kib)
        )?;
        writeln!(f, "min seg size (bytes) = {}", limits.shmmin)
    }
}

/// How many there are: `ipcs -u`.
#[derive(Clone, Copy, Debug)]
pub struct TotalsText(pub ShmInfoTotals);

impl fmt::Display for TotalsText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let totals = &self.0;
        writeln!(f, "------ Shared Memory Status --------")?;
        writeln!(f, "segments allocated {}", totals.used_ids)?;
        writeln!(f, "pages allocated {}", totals.shm_tot)?;
        writeln!(f, "pages resident  {}", totals.shm_rss)?;
        writeln!(f, "pages swapped   {}", totals.shm_swp)?;
        write!(f, "Swap performance: {} attempts\t ", totals.swap_attempts)?;
        writeln!(f, "{} successes", totals.swap_successes)
    }
}

#[cfg(test)]
mod tests {
    use super::{Columns, Details, SegmentLine};
    use abi::shm::{IpcPerm, ShmId, ShmidDs};
    use abi::time::ClockSource;
    use alloc::string::ToString;
    use alloc::vec::Vec;

    const COLUMNS: [Columns; 4] = [
        Columns::State,
        Columns::Times,
        Columns::Processes,
        Columns::Creators,
    ];

    fn state() -> ShmidDs {
        let perm = IpcPerm {
            key: -1,
            uid: 7,
            cuid: 8,
            mode: 0o1640,
            ..IpcPerm::default()
        };
        ShmidDs {
            shm_perm: perm,
            shm_segsz: 4_194_304,
            shm_nattch: 2,
            shm_cpid: 3,
            shm_lpid: 4,
            shm_atime: 1_795_881_461,
            shm_ctime: 1_795_881_460,
            ..ShmidDs::default()
        }
    }

    fn line(columns: Columns, source: ClockSource) -> alloc::string::String {
        let id = ShmId::from_raw(65536).expect("valid");
        let state = &state();
        SegmentLine {
            columns,
            id,
            state,
            source,
        }
        .to_string()
    }

    #[test]
    fn each_list_has_its_own_columns() {
        let [state, times, processes, creators] =
            COLUMNS.map(|columns| line(columns, ClockSource::RealTimeClock));
        let words = |line: &str| {
            line.split_ascii_whitespace()
                .map(str::to_string)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            words(&state),
            ["0xffffffff", "65536", "7", "640", "4194304", "2", "dest"]
        );
        assert_eq!(
            times,
            "65536      7          2026-11-28 15:57:41  Not set              2026-11-28 15:57:40"
        );
        assert_eq!(words(&processes), ["65536", "7", "3", "4"]);
        assert_eq!(words(&creators), ["65536", "640", "8", "0", "7", "0"]);
    }

    #[test]
    fn values_stand_below_their_headings() {
        for (columns, heading, value) in [
            (Columns::State, "nattch", "2     "),
            (Columns::State, "status", "dest"),
            (Columns::Times, "detached", "Not set"),
            (Columns::Processes, "lpid", "4"),
            (Columns::Creators, "cuid", "8"),
        ] {
            let line = line(columns, ClockSource::RealTimeClock);
            let place = columns.header().find(heading).expect(heading);
            assert!(line[place..].starts_with(value), "{heading} in {line}");
        }
    }

    #[test]
    fn the_details_of_a_segment_are_those_of_its_structure() {
        let (id, state) = (ShmId::from_raw(3).expect("valid"), &state());
        let source = ClockSource::RealTimeClock;
        let text = Details { id, state, source }.to_string();
        assert!(
            text.contains("bytes=4194304\tlpid=4\tcpid=3\tnattch=2\n"),
            "{text}"
        );
        assert!(text.contains("mode=01640\taccess_perms=0640\n"), "{text}");
        assert!(text.contains("det_time=Not set\n"), "{text}");
    }
}

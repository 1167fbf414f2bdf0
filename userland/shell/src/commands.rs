//! What the commands do.

use abi::process::{End, Pid};
use abi::shm::ShmSetting;
use abi::system::MachineEnd;
use abi::{Errno, Handle};
use alloc::collections::BTreeSet;
use alloc::format;
use rt::archive::Archive;
use rt::log::KernelLog;
use rt::shm::{Shm, segments, totals};
use rt::spawn::Ended;
use rt::sys::process::read_clock;
use rt::time::SystemTime;
use rt::{Credential, Error, Failure, Incoming, Outcome, println, spawn, sys};
use shell::parse::{COMMANDS, Columns, Command, DateFormat, Which};
use shell::table::{
    PROCESS_HEADER, ProcessLine, SEGMENT_HEADER, SegmentLine, SettingLine, USAGE_HEADER, UsageLine,
};
use shell::times::{NO_DATE, SEGMENT_TIMES_HEADER, SegmentTimesLine, UptimeLine};

/// The system, which `init` gives to the shell.
const SYSTEM: Handle = Handle::PARENT;
const KIB_IN_A_FRAME: u64 = abi::layout::PAGE_BYTES / 1024;

/// What the commands work with.
pub struct Session {
    /// Where the programs are.
    pub archive: Option<Archive>,
}

impl Session {
    /// Does what the command says. Leaving is up to the caller.
    pub fn execute(&self, command: Command<'_>) -> Outcome {
        match command {
            Command::Nothing | Command::Exit => Ok(()),
            Command::Reboot => reboot(),
            Command::Help => help(),
            Command::ListSegments(Columns::State) => list_segments(),
            Command::ListSegments(Columns::Times) => list_segment_times(),
            Command::ShowLimits => show_limits(),
            Command::ShowUsage => show_usage(),
            Command::ShowUser => show_user(),
            Command::RemoveSegment(which) => remove_segment(which),
            Command::ShowFrames => show_frames(),
            Command::ListProcesses => list_processes(),
            Command::ShowDate(format) => show_date(format),
            Command::ShowUptime => show_uptime(),
            Command::ListPrograms => self.list_programs(),
            Command::Run { user, name, args } => self.run(user, name, args),
        }
    }

    fn list_programs(&self) -> Outcome {
        self.archive
            .iter()
            .flat_map(Archive::programs)
            .for_each(|name| println!("{name}"));
        Ok(())
    }

    fn run(&self, user: Option<Credential>, name: &str, args: &str) -> Outcome {
        let found = self
            .archive
            .and_then(|archive| Some((archive, archive.program(name)?)));
        let (archive, file) = found.ok_or_else(|| {
            Failure::new(format!(
                "there is no program `{name}`; `run` lists those there are"
            ))
        })?;
        let mut command = spawn::Command::new(name, file).args(args.split_ascii_whitespace());
        if let Some(user) = user {
            command = command.credential(user);
        }
        let mut log = KernelLog::from_now_on(SYSTEM);
        let end = command.archive(archive).spawn()?.wait()?;
        log.print_new();
        if end != End::Exited(0) {
            println!("{name} {}", Ended(end));
        }
        Ok(())
    }
}

/// Comes back only if it is refused.
fn reboot() -> Outcome {
    Ok(sys::system::shut_down(SYSTEM, MachineEnd::Restart, 0)?)
}

fn help() -> Outcome {
    for (usage, what) in COMMANDS {
        println!("{usage:<26} {what}");
    }
    Ok(())
}

fn list_segments() -> Outcome {
    println!("{SEGMENT_HEADER}");
    for segment in segments()? {
        let (id, state) = segment?;
        println!("{}", SegmentLine { id, state: &state });
    }
    let totals = totals()?;
    let (used, pages, present) = (totals.used_ids, totals.shm_tot, totals.shm_rss);
    println!("{used} segments of {pages} pages, of which {present} are in memory");
    Ok(())
}

fn show_limits() -> Outcome {
    for setting in ShmSetting::ALL {
        let value = sys::memory::read_shm_setting(setting)?;
        println!("{}", SettingLine { setting, value });
    }
    Ok(())
}

/// Of those who have created a segment that has a name, and of this user.
fn show_usage() -> Outcome {
    let mut users = BTreeSet::from([Credential::of(Handle::SELF)?.uid]);
    for segment in segments()? {
        let (_, state) = segment?;
        users.insert(state.shm_perm.cuid);
    }
    println!("{USAGE_HEADER}");
    for uid in users {
        let usage = sys::memory::count_shm_user(uid)?;
        println!("{}", UsageLine { uid, usage });
    }
    Ok(())
}

fn show_user() -> Outcome {
    println!("{}", Credential::of(Handle::SELF)?);
    Ok(())
}

fn list_segment_times() -> Outcome {
    let source = read_clock()?.source;
    println!("{SEGMENT_TIMES_HEADER}");
    for segment in segments()? {
        let (id, state) = segment?;
        let state = &state;
        println!("{}", SegmentTimesLine { id, state, source });
    }
    if !source.knows_the_date() {
        println!("times count from boot: {NO_DATE}");
    }
    Ok(())
}

fn remove_segment(which: Which) -> Outcome {
    let removed = match which {
        Which::Id(id) => Shm::from_id(id).remove(),
        Which::Key(key) => Shm::open(key).and_then(|segment| segment.remove()),
    };
    removed.map_err(|error| match (which, error) {
        (Which::Id(id), Error::Refused(Errno::EINVAL)) => {
            Failure::new(format!("nothing has shmid {}", id.raw()))
        }
        (Which::Key(key), Error::Refused(Errno::ENOENT)) => {
            Failure::new(format!("nothing has key {:#x}", key.0))
        }
        (_, other) => other.into(),
    })
}

fn show_date(format: DateFormat) -> Outcome {
    let now = SystemTime::now()?.ok_or_else(|| Failure::new(NO_DATE))?;
    match format {
        DateFormat::Calendar => println!("{}", now.utc()),
        DateFormat::Seconds => println!("{}", now.unix_seconds()),
    }
    Ok(())
}

fn show_uptime() -> Outcome {
    println!("{}", UptimeLine(read_clock()?));
    Ok(())
}

fn show_frames() -> Outcome {
    let frames = sys::system::count_frames(SYSTEM)?;
    let lines = [
        ("total", frames.total),
        ("used", frames.total - frames.free),
        ("free", frames.free),
        ("of that promised", frames.promised),
    ];
    println!("{:<16} {:>10} {:>10}", "", "frames", "KiB");
    for (what, count) in lines {
        println!("{what:<16} {count:>10} {:>10}", count * KIB_IN_A_FRAME);
    }
    Ok(())
}

fn list_processes() -> Outcome {
    println!("{PROCESS_HEADER}");
    let mut after = Pid(0);
    let mut name = Incoming::new();
    loop {
        let facts = match sys::system::next_process(SYSTEM, after, &mut name) {
            Ok(facts) => facts,
            Err(Error::Refused(Errno::ESRCH)) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let text = core::str::from_utf8(name.bytes()).unwrap_or("?");
        println!(
            "{}",
            ProcessLine {
                facts: &facts,
                name: text
            }
        );
        after = facts.pid;
    }
}

//! Lists shared memory segments: `ipcs [-m] [-t | -p | -c | -l | -u | -i SHMID]`.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use abi::Handle;
use abi::shm::{ShmId, ShmSetting};
use alloc::collections::BTreeSet;
use alloc::format;
use rt::sys::memory::{count_shm_user, read_shm_setting};
use rt::sys::process::read_clock;
use rt::{Credential, Failure, Outcome, Start, println, shm};
use tools::limits::{SettingLine, USAGE_HEADER, UsageLine};
use tools::names;
use tools::options::{Options, Usage};
use tools::segments::{Columns, Details, LimitsText, SegmentLine, TotalsText};
use tools::times::NO_DATE;

const USAGE: Usage = Usage {
    line: "ipcs [-m] [-t | -p | -c | -l | -u | -i SHMID]",
    letters: "matpclui:",
    help: "Lists shared memory segments.\n  -t  when they were used\n  -p  by which processes\n  -c  who created and who owns \
           them\n  -l  limits\n  -u  totals\n  -i  all that is known of one",
};

rt::program!(ipcs);

fn ipcs(start: &Start) -> Outcome {
    let options = Options::of(start, &USAGE)?;
    if !options.operands.is_empty() {
        return Err(USAGE.failure("it takes options only"));
    }
    if let Some(id) = options.value('i') {
        return details(names::segment(id).map_err(|wrong| USAGE.failure(&wrong))?);
    }
    match options
        .iter()
        .map(|(letter, _)| letter)
        .rfind(|&letter| !"ma".contains(letter))
    {
        Some('l') => limits()?,
        Some('u') => usage()?,
        Some('t') => list(Columns::Times)?,
        Some('p') => list(Columns::Processes)?,
        Some('c') => list(Columns::Creators)?,
        _ => list(Columns::State)?,
    }
    Ok(())
}

fn limits() -> Outcome {
    println!("\n{}", LimitsText(shm::limits()?));
    for setting in ShmSetting::ALL {
        let value = read_shm_setting(setting)?;
        println!("{}", SettingLine { setting, value });
    }
    println!();
    Ok(())
}

/// The totals, and what each user has who created a segment that has a name, and this one.
fn usage() -> Outcome {
    println!("\n{}", TotalsText(shm::totals()?));
    let mut users = BTreeSet::from([Credential::of(Handle::SELF)?.uid]);
    for segment in shm::segments()? {
        let (_, state) = segment?;
        users.insert(state.shm_perm.cuid);
    }
    println!("{USAGE_HEADER}");
    for uid in users {
        let usage = count_shm_user(uid)?;
        println!("{}", UsageLine { uid, usage });
    }
    println!();
    Ok(())
}

fn list(columns: Columns) -> Outcome {
    let source = read_clock()?.source;
    println!("\n{}\n{}", columns.title(), columns.header());
    for segment in shm::segments()? {
        let (id, state) = segment?;
        let state = &state;
        println!(
            "{}",
            SegmentLine {
                columns,
                id,
                state,
                source
            }
        );
    }
    println!();
    if columns == Columns::Times && !source.knows_the_date() {
        println!("times count from boot: {NO_DATE}\n");
    }
    Ok(())
}

fn details(id: ShmId) -> Outcome {
    let source = read_clock()?.source;
    let (_, state) = shm::segments()?
        .filter_map(Result::ok)
        .find(|(own, _)| *own == id)
        .ok_or_else(|| Failure::new(format!("ipcs: id {} not found", id.raw())))?;
    let state = &state;
    println!("\n{}", Details { id, state, source });
    Ok(())
}

//! Commands that are about the shell itself, so that no program could be them.

use crate::session::Session;
use alloc::string::String;
use alloc::vec::Vec;
use rt::archive::Archive;
use rt::{Error, println};

/// Names, how each is used, and what it does.
pub const BUILTINS: &[(&str, &str, &str)] = &[
    (
        "exit",
        "exit [STATUS]",
        "leave the shell; the first one's end will power the machine off",
    ),
    ("false", "false", "fail"),
    ("fg", "fg [%JOB]", "wait for a job, and answer its status"),
    ("help", "help", "show this"),
    ("history", "history", "list the lines typed so far"),
    ("jobs", "jobs", "list the commands that were started with &"),
    ("true", "true", "succeed"),
    ("unset", "unset NAME...", "forget variables"),
    ("wait", "wait", "wait for all jobs"),
];

/// Runs it, if it is one; answers its status.
pub fn run(session: &mut Session, name: &str, arguments: &[String]) -> Option<i32> {
    Some(match name {
        "exit" => exit(session, arguments),
        "false" => 1,
        "fg" => foreground(session, arguments),
        "help" => help(session.archive()),
        "history" => history(session),
        "jobs" => {
            session.jobs.tell_ended();
            session.jobs.list();
            0
        }
        "true" | ":" => 0,
        "unset" => {
            arguments.iter().for_each(|name| session.unset(name));
            0
        }
        "wait" => wait(session),
        _ => return None,
    })
}

fn exit(session: &mut Session, arguments: &[String]) -> i32 {
    let status = match arguments {
        [] => Some(session.status()),
        [status] => status.parse().ok(),
        _ => None,
    };
    match status {
        Some(status) => {
            session.leave();
            status
        }
        None => usage("exit [STATUS]"),
    }
}

fn foreground(session: &mut Session, arguments: &[String]) -> i32 {
    let Some(job) = session.jobs.take(arguments.first().map(String::as_str)) else {
        println!("shell: there is no such job; `jobs` lists those there are");
        return 1;
    };
    match session.watch().and_then(|watch| watch.finish(job.child())) {
        Ok(finished) => {
            job.print_end(finished.end);
            session.finish(finished)
        }
        Err(error) => complain(&error),
    }
}

/// Control-C ends the waiting, and not the jobs.
fn wait(session: &mut Session) -> i32 {
    while let Some(job) = session.jobs.take(None) {
        match session.watch().and_then(|watch| watch.wait(job.child())) {
            Ok(Some(end)) => job.print_end(end),
            Ok(None) => {
                session.jobs.put_back(job);
                return session.interrupt();
            }
            Err(error) => return complain(&error),
        }
    }
    0
}

fn complain(error: &Error) -> i32 {
    println!("shell: {error}");
    1
}

fn history(session: &Session) -> i32 {
    for (number, line) in (1..).zip(session.history().lines()) {
        println!("{number:>5}  {line}");
    }
    0
}

fn help(archive: Option<Archive>) -> i32 {
    println!("Commands of the shell:");
    for (_, usage, what) in BUILTINS {
        println!("  {usage:<16} {what}");
    }
    println!("Programs; the tools among them say with --help how they are used:");
    let mut names: Vec<&str> = archive.iter().flat_map(Archive::programs).collect();
    names.sort_unstable();
    let mut line = String::from(" ");
    for name in names {
        if line.len() + name.len() > 78 {
            println!("{line}");
            line = String::from(" ");
        }
        line.push(' ');
        line.push_str(name);
    }
    println!("{line}");
    println!("Join commands with ; && || | and &. `time COMMAND` says how long it took.");
    println!("Keys: Tab completes, Up and Down go through earlier lines, Control-U deletes the line.");
    0
}

fn usage(usage: &str) -> i32 {
    println!("usage: {usage}");
    2
}

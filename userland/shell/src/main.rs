//! The prompt.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

mod commands;

use commands::Session;
use rt::archive::Archive;
use rt::io::LineReader;
use rt::{Outcome, Start, print, println};
use shell::parse::{Command, parse};

rt::program!(serve);

fn serve(start: &Start) -> Outcome {
    let session = Session {
        archive: Archive::from_start(start),
    };
    let mut reader = LineReader::new();
    loop {
        print!("granule> ");
        let line = reader.read_line()?;
        let done = match parse(&line) {
            Ok(Command::Exit) => return Ok(()),
            Ok(command) => session.execute(command),
            Err(error) => {
                println!("{error}");
                Ok(())
            }
        };
        if let Err(failure) = done {
            println!("{failure}");
        }
    }
}

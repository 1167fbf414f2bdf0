//! Prints files of the archive, or what comes from its input: `cat [FILE...]`.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::format;
use alloc::vec::Vec;
use rt::archive::Archive;
use rt::io::{Input, write};
use rt::{Failure, Outcome, Start};
use tools::options::{Options, Usage, each};

const USAGE: Usage = Usage {
    line: "cat [FILE...]",
    letters: "",
    help: "Prints files of the archive; without one, or for -, what comes in, up to Control-D.",
};

/// Control-D, which ends what is typed.
const END: u8 = 4;

rt::program!(cat);

fn cat(start: &Start) -> Outcome {
    let options = Options::of(start, &USAGE)?;
    if options.operands.is_empty() {
        return copy_input();
    }
    each(&options.operands, |path| match path.as_str() {
        "-" => copy_input(),
        path => print_file(start, path),
    });
    Ok(())
}

fn print_file(start: &Start, path: &str) -> Outcome {
    let file = Archive::from_start(start).and_then(|archive| archive.file(path));
    let file = file.ok_or_else(|| Failure::new(format!("cat: {path}: no such file; `ls -R` lists all")))?;
    Ok(write(file)?)
}

fn copy_input() -> Outcome {
    let mut input = Input::new();
    loop {
        match input.next_piece()? {
            [] | [END] => return Ok(()),
            // Lines as they are typed, perhaps several at once: Enter sends this.
            lines @ [.., b'\r'] => {
                let line_end = |&byte: &u8| if byte == b'\r' { b'\n' } else { byte };
                write(&lines.iter().map(line_end).collect::<Vec<u8>>())?;
            }
            piece => write(piece)?,
        }
    }
}

//! Says which user this is: `id`.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

use abi::Handle;
use rt::{Credential, Outcome, Start, println};
use tools::options::{Options, Usage};

const USAGE: Usage = Usage {
    line: "id",
    letters: "",
    help: "Says which user this is, and in which groups.",
};

rt::program!(id);

fn id(start: &Start) -> Outcome {
    Options::of(start, &USAGE)?;
    println!("{}", Credential::of(Handle::SELF)?);
    Ok(())
}

//! The kernel's log: what it says about programs that it ended.

use crate::sys::system::read_log;
use crate::{Incoming, println};
use abi::Handle;
use alloc::vec::Vec;

/// A place in the log, from which on it has not been shown.
#[derive(Clone, Copy, Debug)]
pub struct KernelLog {
    system: Handle,
    position: u64,
}

impl KernelLog {
    /// The end of it, for a program that has the system's handle.
    pub fn from_now_on(system: Handle) -> Self {
        let mut log = Self::from_the_beginning(system);
        log.read_new();
        log
    }

    /// Its beginning, or what is left of it.
    pub fn from_the_beginning(system: Handle) -> Self {
        Self { system, position: 0 }
    }

    /// Prints what came since.
    pub fn print_new(&mut self) {
        let bytes = self.read_new();
        for line in bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            println!("kernel: {}", core::str::from_utf8(line).unwrap_or("(not UTF-8)"));
        }
    }

    /// What came since, up to the end. Nothing, if it cannot be read.
    pub fn read_new(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut piece = Incoming::new();
        while let Ok(next) = read_log(self.system, self.position, &mut piece) {
            if next <= self.position || piece.bytes().is_empty() {
                break;
            }
            self.position = next;
            bytes.extend_from_slice(piece.bytes());
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::KernelLog;
    use crate::fake;
    use abi::{Errno, Handle, Label, Tag};
    use std::cell::RefCell;
    use std::rc::Rc;
    use std::string::String;

    /// A kernel whose log can grow, and a console; returns the log and what is printed.
    fn kernel() -> (Rc<RefCell<String>>, Rc<RefCell<String>>) {
        let log = Rc::new(RefCell::new(String::from("booted\n")));
        let printed = Rc::new(RefCell::new(String::new()));
        let (source, screen) = (Rc::clone(&log), Rc::clone(&printed));
        fake::install(move |sent, page| {
            let bytes = (sent[1] >> 16 & 0xffff) as usize;
            if sent[1] & 0xffff == 0x300 {
                let text = std::str::from_utf8(&page.bytes[..bytes]).expect("text");
                screen.borrow_mut().push_str(text);
                return [0, 0, bytes as u64, 0, 0, 0, 0, 0, 0];
            }
            let log = source.borrow();
            let rest = &log.as_bytes()[sent[2] as usize..];
            let piece = &rest[..rest.len().min(10)];
            if piece.is_empty() {
                return [0, u64::from(Errno::EAGAIN.number()), 0, 0, 0, 0, 0, 0, 0];
            }
            page.bytes[..piece.len()].copy_from_slice(piece);
            let tag = Tag::new(Label::DONE).with_bytes(piece.len()).expect("fits");
            [0, tag.encode(), sent[2] + piece.len() as u64, 0, 0, 0, 0, 0, 0]
        });
        (log, printed)
    }

    #[test]
    fn only_what_is_new_is_printed_line_by_line_and_once() {
        let (log, printed) = kernel();
        let mut shown = KernelLog::from_now_on(Handle::PARENT);
        shown.print_new();
        assert_eq!(printed.take(), "");
        log.borrow_mut()
            .push_str("process 4 ended by a fault\nprocess 5 as well\n");
        shown.print_new();
        let expected = "kernel: process 4 ended by a fault\nkernel: process 5 as well\n";
        assert_eq!(printed.take(), expected);
        shown.print_new();
        assert_eq!(printed.take(), "");
    }

    #[test]
    fn all_that_is_left_is_printed_for_those_who_want_its_beginning() {
        let (_, printed) = kernel();
        KernelLog::from_the_beginning(Handle::PARENT).print_new();
        assert_eq!(printed.take(), "kernel: booted\n");
    }
}

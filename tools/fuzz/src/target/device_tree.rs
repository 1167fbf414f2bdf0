//! Any bytes as a device tree: facts or a reason, the same each time, and facts that can be.

use std::cell::RefCell;

use boards::{Board, CheckedBlob, DevTree, DevTreeError, DtError, MemoryMap, SCRATCH_BYTES};
use dtoolkit::error::FdtErrorKind;
use dtoolkit::fdt::Fdt;

pub fn run(bytes: &[u8]) {
    let answer = read(bytes, 0);
    // What was in the scratch memory before must not matter.
    assert_eq!(answer, read(bytes, 0xff));
    match answer {
        Ok(board) => check(&board),
        Err(reason) => assert!(!reason.to_string().is_empty()),
    }
}

fn read(bytes: &[u8], garbage: u8) -> Result<Board, DtError> {
    thread_local! {
        static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; SCRATCH_BYTES]);
    }
    SCRATCH.with_borrow_mut(|scratch| {
        scratch.fill(garbage);
        boards::read(bytes, scratch, open)
    })
}

/// Besides opening it: what was checked must be in order for another reader, too, unless that minds a name.
fn open(blob: CheckedBlob<'_>) -> Result<DevTree<'_>, DevTreeError> {
    if let Err(error) = Fdt::new(blob.bytes()) {
        use FdtErrorKind::{InvalidNodeName, InvalidPropertyName, InvalidString};
        let is_name = matches!(error.kind, InvalidNodeName | InvalidPropertyName | InvalidString);
        assert!(is_name, "{error}");
    }
    // SAFETY: A checked blob is aligned and as long as its header says.
    unsafe { DevTree::new(blob.bytes()) }
}

/// What must hold of the facts about any board.
pub fn check(board: &Board) {
    check_memory(&board.memory);
    if let Ok(Some(initrd)) = board.initrd {
        assert!(initrd.start() < initrd.end());
    }
    assert!(board.cpus.len() <= Board::MAX_CPUS);
    assert!(board.bootargs.as_str().len() <= Board::MAX_BOOTARGS);
    let interrupts = [
        board.console.and_then(|console| console.irq),
        board.timer.map(|timer| timer.physical),
        board.timer.map(|timer| timer.virt),
    ];
    for interrupt in interrupts.into_iter().flatten() {
        assert!((16..1020).contains(&interrupt.intid()), "{interrupt:?}");
    }
}

/// RAM is in order, and usable memory is RAM that nobody keeps.
fn check_memory(memory: &MemoryMap) {
    let ram: Vec<_> = memory.ram().collect();
    assert!(ram.windows(2).all(|pair| pair[0].end() < pair[1].start()));
    let mut last = None;
    for frames in memory.usable(&[]) {
        let (start, end) = (frames.start().start(), frames.end().start());
        assert!(
            last.is_none_or(|last| last < start),
            "ascending, and none touches the next"
        );
        assert!(ram.iter().any(|ram| ram.start() <= start && end <= ram.end()));
        assert!(
            memory
                .reserved()
                .all(|kept| kept.end() <= start || end <= kept.start())
        );
        last = Some(end);
    }
}

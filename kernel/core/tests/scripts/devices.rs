//! Devices that programs drive: their registers, and interrupts that become signals.

use super::server::{SERVER, Scene, TO_SERVER};
use super::sharing::assert_direct;
use abi::device::{Acknowledge, DeviceFacts, DeviceKind, Listen, MapRegisters};
use abi::memory::{CountUsage, Unmap};
use abi::process::{Close, Kill};
use abi::system::OpenDevice;
use abi::{Arrival, Badge, Errno, Handle, Operation, Rights};
use addr::VirtAddr;
use kcore::Interrupt;
use mm::{Access, VmaKind};
use play::DEVICE_INTERRUPT;

impl Scene {
    fn open_device(&mut self) -> Handle {
        self.world.until(SERVER);
        let facts = DeviceFacts {
            kind: DeviceKind::Pl011,
            clock_hz: 0,
        };
        let open = self.world.call(Handle::PARENT, OpenDevice { number: 0 });
        assert_eq!(open, Ok(facts));
        self.world.handles()[0]
    }

    fn listen(&mut self, device: Handle, endpoint: Handle) -> Result<(), Errno> {
        self.world.call_with(device, Listen {}, &[], &[endpoint])
    }

    /// The device that listens to `self.endpoint` with bit 8.
    fn listening(&mut self) -> Handle {
        let device = self.open_device();
        let signaller = self
            .world
            .derive(self.endpoint, Rights::SIGNAL | Rights::PASS, Badge(8));
        assert_eq!(self.listen(device, signaller), Ok(()));
        self.close(SERVER, signaller);
        device
    }

    fn can_interrupt(&self) -> Option<bool> {
        let interrupts = &self.world.kernel.platform.device_interrupts;
        interrupts.get(&DEVICE_INTERRUPT).copied()
    }
}

#[test]
fn there_are_as_many_devices_as_the_board_has() {
    let mut scene = Scene::new(0);
    scene.open_device();
    for number in [1, 4, 256, u64::MAX] {
        let none = scene.world.call(Handle::PARENT, OpenDevice { number });
        assert_eq!(none, Err(Errno::ENOENT));
    }
}

#[test]
fn registers_are_mapped_where_nothing_was_and_unmapped_like_memory() {
    let mut scene = Scene::new(0);
    let device = scene.open_device();
    let free = scene.world.free_frames();
    let registers = scene.world.call(device, MapRegisters {}).expect("maps");
    assert_eq!((registers.address % 4096, registers.length), (0x200, 0x48));
    let address = VirtAddr::new(registers.address);
    scene.world.kernel().memory_fault(address, Access::Write);
    scene.world.run();
    assert_eq!(scene.world.running, Some(SERVER), "they can be written to");
    let (_, process) = scene.world.kernel.processes().next().expect("init");
    let space = process.space.expect("it has one");
    let facts = scene.world.memory().describe(space, address);
    assert_eq!(facts.map(|facts| facts.what), Some(VmaKind::Physical));
    let unmap = Unmap {
        address: registers.address - 0x200,
        length: 4096,
    };
    assert_eq!(scene.world.call(Handle::MEMORY, unmap), Ok(()));
    assert!(scene.world.call(Handle::MEMORY, CountUsage {}).is_ok());
    assert!(scene.world.free_frames() + 3 >= free, "tables at most are left");
}

#[test]
fn an_interrupt_is_signalled_once_until_it_is_acknowledged() {
    let mut scene = Scene::new(0);
    let device = scene.listening();
    assert!(scene.world.device_interrupt().is_some());
    assert_eq!(scene.can_interrupt(), Some(false), "it is masked");
    scene.receive();
    let back = scene.back(SERVER);
    assert_eq!((back.tag.arrival(), back.words[0]), (Arrival::Signals, 8));
    assert!(scene.world.device_interrupt().is_none());
    assert_direct(&mut scene.world, |world| {
        assert_eq!(world.call(device, Acknowledge {}), Ok(()));
    });
    assert!(scene.world.device_interrupt().is_some());
}

#[test]
fn an_interrupt_wakes_its_driver() {
    let mut scene = Scene::new(1);
    scene.listening();
    scene.receive();
    assert_eq!(scene.world.running, Some(1));
    scene.world.device_interrupt();
    assert_eq!(scene.back(SERVER).words[0], 8);
}

#[test]
fn without_a_badge_bit_0_is_signalled() {
    let mut scene = Scene::new(0);
    let device = scene.open_device();
    let endpoint = scene.endpoint;
    assert_eq!(scene.listen(device, endpoint), Ok(()));
    scene.world.device_interrupt();
    scene.receive();
    assert_eq!(scene.back(SERVER).words[0], 1);
}

#[test]
fn when_nobody_can_be_told_of_an_interrupt_any_more_it_is_the_kernels_again() {
    let mut scene = Scene::new(0);
    let device = scene.listening();
    assert_eq!(scene.can_interrupt(), Some(true));
    let handle = scene.endpoint;
    assert_eq!(scene.world.call(Handle::SELF, Close { handle }), Ok(()));
    assert_eq!(scene.can_interrupt(), None);
    assert_eq!(scene.world.call(device, Acknowledge {}), Err(Errno::EINVAL));
    scene.world.take(Interrupt::Device(DEVICE_INTERRUPT));
    assert_eq!(
        scene.world.running,
        Some(SERVER),
        "one that was on its way goes nowhere"
    );
}

#[test]
fn a_driver_that_is_killed_lets_go_of_its_interrupt() {
    let mut scene = Scene::new(1);
    let device = scene.open_device();
    // The driver has an endpoint of its own.
    scene.world.until(1);
    let own = scene.world.create_endpoint();
    scene.world.page().handles[0] = own.raw();
    let tag = abi::Tag::new(abi::Label(1)).with_handles(1).expect("fits");
    scene.trap(1, Operation::Send, TO_SERVER, tag.encode());
    scene.receive();
    scene.world.until(SERVER);
    let signaller = scene.world.handles()[0];
    assert_eq!(scene.listen(device, signaller), Ok(()));
    scene.close(SERVER, signaller);
    assert_eq!(scene.can_interrupt(), Some(true));
    let driver = scene.clients[0];
    scene.world.send(driver, Kill {}, &[], &[]);
    scene.world.until(SERVER);
    assert_eq!(scene.can_interrupt(), None);
}

#[test]
fn who_listens_needs_a_handle_to_signal_with() {
    let mut scene = Scene::new(0);
    let device = scene.open_device();
    assert_eq!(scene.world.call(device, Listen {}), Err(Errno::EINVAL));
    assert_eq!(scene.listen(device, device), Err(Errno::EBADF));
    let calling = scene
        .world
        .derive(scene.endpoint, Rights::CALL | Rights::PASS, Badge(0));
    assert_eq!(scene.listen(device, calling), Err(Errno::EPERM));
    assert_eq!(scene.can_interrupt(), None);
    assert_eq!(scene.world.call(device, Acknowledge {}), Err(Errno::EINVAL));
}

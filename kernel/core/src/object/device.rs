//! Devices that programs drive: their registers, and interrupts that become signals.
//!
//! The kernel knows of a device where its registers are and which interrupt it has, both from the device tree,
//! and nothing else. Its interrupt is masked as soon as it has come, and signalled; what the device wants, and
//! how it is silenced, is for the program to know. It is level-triggered, so one that comes in between is not
//! lost: it is there when the mask goes.

use super::{Call, Outcome};
use crate::handle::{Capability, Object};
use crate::ipc::{Endpoint, SignalTarget};
use crate::kernel::Kernel;
use crate::platform::{Guarded, Platform};
use crate::thread::ThreadId;
use abi::Errno;
use abi::device::{DeviceFacts, DeviceRequest, Registers};
use addr::{FrameRange, MemoryKind, Perms};
use slots::Id;

/// Devices there can be.
pub const MOST_DEVICES: usize = 4;

/// Names a device: its place in the kernel's list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DeviceId(u8);

impl DeviceId {
    fn new(number: u64) -> Option<Self> {
        u8::try_from(number).ok().map(Self)
    }
}

/// A device.
#[derive(Clone, Copy, Debug)]
pub struct Device {
    /// What programs may know of it.
    pub facts: DeviceFacts,
    /// The frames its registers are in, which the allocator does not own. Nothing else is in them.
    pub frames: FrameRange,
    /// Where in the first frame they begin, in bytes.
    pub offset: u64,
    /// Their length in bytes.
    pub length: u64,
    /// Its interrupt, by the platform's number.
    pub interrupt: Option<u32>,
    /// Who is told of it.
    pub(crate) listener: Option<SignalTarget>,
}

impl Device {
    /// One that nobody listens to.
    pub const fn new(
        facts: DeviceFacts,
        frames: FrameRange,
        (offset, length): (u64, u64),
        interrupt: Option<u32>,
    ) -> Self {
        Self {
            facts,
            frames,
            offset,
            length,
            interrupt,
            listener: None,
        }
    }
}

impl<P: Platform> Kernel<P> {
    /// Lets programs be given `device`, unless there are too many. At boot.
    pub fn add_device(&mut self, device: Device) {
        if let Some(place) = self.devices.iter_mut().find(|place| place.is_none()) {
            *place = Some(device);
        }
    }

    /// Gives `thread` a handle to the device with this number.
    pub(crate) fn open_device(&mut self, thread: ThreadId, number: u64) -> Result<Outcome, Errno> {
        let id = DeviceId::new(number).ok_or(Errno::ENOENT)?;
        let facts = self.device(id).ok_or(Errno::ENOENT)?.facts;
        if self.process_of(thread).1.handles.room() < 1 {
            return Err(Errno::EMFILE);
        }
        Ok(self.answer_with_handles(thread, facts, [Capability::to(Object::Device(id))]))
    }

    fn device(&mut self, id: DeviceId) -> Option<&mut Device> {
        self.devices.get_mut(usize::from(id.0))?.as_mut()
    }

    #[inline(never)]
    pub(crate) fn call_device(&mut self, call: &Call<'_>, id: DeviceId) -> Result<Outcome, Errno> {
        let request = DeviceRequest::decode(call.tag.label(), call.words)?;
        let device = *self.device(id).ok_or(Errno::ENOENT)?;
        match request {
            DeviceRequest::MapRegisters(_) => self.map_registers(call.thread, &device),
            DeviceRequest::Listen(_) => self.listen(call, id, &device),
            DeviceRequest::Acknowledge(_) => self.acknowledge(call.thread, &device),
        }
    }

    fn map_registers(&mut self, thread: ThreadId, device: &Device) -> Result<Outcome, Errno> {
        let space = self.process_of(thread).1.space.ok_or(Errno::ESRCH)?;
        let address =
            self.memory
                .lock()
                .map_physical(space, device.frames, Perms::READ_WRITE, MemoryKind::Device)?;
        let registers = Registers {
            address: address.raw() + device.offset,
            length: device.length,
        };
        Ok(self.answer(thread, registers))
    }

    fn listen(&mut self, call: &Call<'_>, id: DeviceId, device: &Device) -> Result<Outcome, Errno> {
        let interrupt = device.interrupt.ok_or(Errno::ENOENT)?;
        let target = self.signal_target(call)?;
        if self.endpoint(target.endpoint()).receiving == 0 {
            return Err(Errno::EPIPE);
        }
        if let Some(device) = self.device(id) {
            device.listener = Some(target);
        }
        self.platform.let_interrupt_come(interrupt);
        Ok(self.answer(call.thread, ()))
    }

    fn acknowledge(&mut self, thread: ThreadId, device: &Device) -> Result<Outcome, Errno> {
        match (device.interrupt, device.listener) {
            (Some(interrupt), Some(_)) => self.platform.let_interrupt_come(interrupt),
            _ => return Err(Errno::EINVAL),
        }
        Ok(self.answer(thread, ()))
    }

    /// The interrupt of a device has come, and is masked.
    pub(crate) fn device_interrupt(&mut self, interrupt: u32) {
        let mut devices = self.devices.iter().flatten();
        let device = devices.find(|device| device.interrupt == Some(interrupt));
        if let Some(target) = device.and_then(|device| device.listener) {
            self.signal_to(target);
        }
    }

    /// Nobody can receive at `endpoint` any more: what was signalled there is nobody's.
    pub(crate) fn stop_listening(&mut self, endpoint: Id<Endpoint>) {
        for device in self.devices.iter_mut().flatten() {
            if device
                .listener
                .is_some_and(|target| target.endpoint() == endpoint)
            {
                device.listener = None;
                if let Some(interrupt) = device.interrupt {
                    self.platform.take_interrupt_back(interrupt);
                }
            }
        }
    }
}

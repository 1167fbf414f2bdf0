//! Devices that programs drive: their registers, and interrupts that become signals.
//!
//! The kernel knows of a device where its registers are and which interrupt it has, both from the device tree,
//! and nothing else. Its interrupt is masked as soon as it has come, and signalled; what the device wants, and
//! how it is silenced, is for the program to know. It is level-triggered, so one that comes in between is not
//! lost: it is there when the mask goes.

use super::{Call, Outcome};
use crate::handle::{Capability, Object};
use crate::here::Here;
use crate::ipc::{Direct, Endpoint, SignalTarget};
use crate::kernel::Kernel;
use crate::message::Message;
use crate::platform::{Guarded, Local, Platform};
use crate::thread::ThreadId;
use abi::device::{Acknowledge, DeviceFacts, DeviceRequest, Registers};
use abi::{Errno, Label, Request};
use addr::{FrameRange, MemoryKind, Perms};
use slots::{Common, Id};

/// Devices there can be.
pub const MOST_DEVICES: usize = 4;

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

impl<L: Local> Here<'_, L> {
    /// Serves a call of the running thread that [`Self::serve`] has found to be for this device, if it is what each interrupt of it
    /// ends with: nobody else begins or ceases to listen meanwhile.
    #[inline(never)] // so that there is one of it
    pub fn ask_device(
        &mut self,
        devices: &Common<'_, Device>,
        (thread, id): (ThreadId, Id<Device>),
        tag: u64,
    ) -> Direct<L::Place> {
        let asked = (tag == u64::from(Acknowledge::LABEL.0)).then(|| devices.get(id));
        match asked.flatten().map(|device| self.acknowledge(thread, device)) {
            Some(Ok(place)) => Direct::Stays(place),
            Some(Err(_)) | None => Direct::Not,
        }
    }

    /// Lets the interrupt of `device` come again.
    fn acknowledge(&mut self, thread: ThreadId, device: &Device) -> Result<L::Place, Errno> {
        let interrupt = device.listener.and(device.interrupt).ok_or(Errno::EINVAL)?;
        self.local.unmask_interrupt(interrupt);
        Ok(self.answer(thread, Message::empty(Label::DONE)))
    }
}

impl<P: Platform> Kernel<P> {
    /// Lets programs be given `device`, unless there are too many. At boot.
    pub fn add_device(&mut self, device: Device) {
        // The board has no more than there is room for, or others come first.
        self.devices.insert(device).ok();
    }

    /// Gives `thread` a handle to the device with this number.
    pub(crate) fn open_device(&mut self, thread: ThreadId, number: u64) -> Result<Outcome, Errno> {
        let number = usize::try_from(number).map_err(|_| Errno::ENOENT)?;
        let (id, device) = self.devices.iter().nth(number).ok_or(Errno::ENOENT)?;
        let facts = device.facts;
        if self.process_of(thread).1.handles.room() < 1 {
            return Err(Errno::EMFILE);
        }
        Ok(self.answer_with_handles(thread, facts, [Capability::to(Object::Device(id))]))
    }

    #[inline(never)]
    pub(crate) fn call_device(&mut self, call: &Call<'_>, id: Id<Device>) -> Result<Outcome, Errno> {
        let request = DeviceRequest::decode(call.tag.label(), call.words)?;
        let device = *self.devices.get(id).ok_or(Errno::ENOENT)?;
        match request {
            DeviceRequest::MapRegisters(_) => self.map_registers(call.thread, &device),
            DeviceRequest::Listen(_) => self.listen(call, id, &device),
            DeviceRequest::Acknowledge(_) => {
                self.here().acknowledge(call.thread, &device)?;
                Ok(Outcome::Answered)
            }
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

    fn listen(&mut self, call: &Call<'_>, id: Id<Device>, device: &Device) -> Result<Outcome, Errno> {
        let interrupt = device.interrupt.ok_or(Errno::ENOENT)?;
        let target = self.signal_target(call)?;
        if self.endpoint(target.endpoint()).receiving == 0 {
            return Err(Errno::EPIPE);
        }
        if let Some(device) = self.devices.get_mut(id) {
            device.listener = Some(target);
        }
        self.platform.let_interrupt_come(interrupt);
        Ok(self.answer(call.thread, ()))
    }

    /// Who is to be told of this interrupt.
    pub fn listener(&self, interrupt: u32) -> Option<SignalTarget> {
        listener(&self.devices.common(), interrupt)
    }

    /// The interrupt of a device has come, and is masked. As long as no program listens to it, the console's is the kernel's.
    pub(crate) fn device_interrupt(&mut self, interrupt: u32) {
        match self.listener(interrupt) {
            Some(target) => self.signal_to(target),
            None if self.platform.is_console(interrupt) => self.console_interrupt(interrupt),
            None => {}
        }
    }

    /// Nobody can receive at `endpoint` any more: what was signalled there is nobody's.
    pub(crate) fn stop_listening(&mut self, endpoint: Id<Endpoint>) {
        while let Some(device) = self
            .device_heard_at(endpoint)
            .and_then(|id| self.devices.get_mut(id))
        {
            device.listener = None;
            if let Some(interrupt) = device.interrupt {
                self.platform.take_interrupt_back(interrupt);
            }
        }
    }

    /// A device whose interrupt is signalled there.
    fn device_heard_at(&self, endpoint: Id<Endpoint>) -> Option<Id<Device>> {
        let is_heard = |device: &Device| {
            device
                .listener
                .is_some_and(|target| target.endpoint() == endpoint)
        };
        let mut devices = self.devices.iter();
        devices.find(|(_, device)| is_heard(device)).map(|(id, _)| id)
    }
}

/// The same while CPUs share the kernel.
pub fn listener(devices: &Common<'_, Device>, interrupt: u32) -> Option<SignalTarget> {
    let mut devices = devices.iter();
    devices
        .find(|device| device.interrupt == Some(interrupt))?
        .listener
}

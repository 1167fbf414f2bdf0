//! The console as a server: drives the serial port, and answers what the kernel's own console answers.
//!
//! Output that the port does not take at once waits here, and input waits for somebody to read it; interrupts of the
//! port move both. `init` starts it with the endpoint where the console is called, and with the device.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

mod port;
mod server;

use abi::{Arrival, Badge, Handle};
use port::Port;
use rt::device::Device;
use rt::handle::OwnedHandle;
use rt::ipc::Endpoint;
use rt::{Incoming, Outcome, Start};
use server::Server;

/// Where the server receives.
const ENDPOINT: Handle = Handle::PARENT;
/// The serial port.
const DEVICE: Handle = Handle::from_parts(5, 0);

rt::program!(console);

fn console(_: &Start) -> Outcome {
    let (endpoint, device) = (Endpoint::from_handle(ENDPOINT), Device::from_handle(DEVICE));
    let mut server = Server::new(Port::open(device.map()?));
    device.listen(endpoint.signaller(Badge(1))?.get())?;
    let mut incoming = Incoming::new();
    loop {
        let message = endpoint.receive(&mut incoming)?;
        // They are closed if nobody wants them.
        let handles = incoming.handles().iter().copied().map(OwnedHandle::new).collect();
        match message.arrival {
            Arrival::Call => server.answer(&endpoint, &message, incoming.bytes(), handles),
            Arrival::Signals => {
                server.interrupt();
                device.acknowledge()?;
            }
            // Nothing that a console is asked goes without an answer.
            Arrival::Message | Arrival::Fault => {}
        }
    }
}

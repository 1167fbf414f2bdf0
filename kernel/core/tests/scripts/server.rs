//! A server with clients, for scripts about what passes between them.

use super::world;
use abi::process::{Close, Give};
use abi::{Badge, Handle, IpcError, Label, Operation, Rights, Tag};
use play::{Back, World};

/// The server's thread; those of the clients follow.
pub const SERVER: u32 = 0;
/// Where each client has its handle to the server.
pub const TO_SERVER: Handle = Handle::PARENT;

/// `init` serves an endpoint. Client `n` may call and signal it, with badge `1 << n`. Client 1, 2, ... are
/// the threads of these numbers; all of them are ready.
pub struct Scene {
    pub world: World,
    pub endpoint: Handle,
    /// The clients' processes, client 1 first.
    pub clients: Vec<Handle>,
}

impl Scene {
    pub fn new(clients: u32) -> Self {
        let mut world = world();
        let endpoint = world.create_endpoint();
        let clients = (1..=clients).map(|client| start_client(&mut world, endpoint, client));
        let clients = clients.collect();
        Self {
            world,
            endpoint,
            clients,
        }
    }

    /// Lets others run until this thread does; then it traps.
    pub fn trap(&mut self, thread: u32, operation: Operation, handle: Handle, tag: u64) {
        self.trap_with_word(thread, operation, handle, (tag, 0));
    }

    pub fn trap_with_word(
        &mut self,
        thread: u32,
        operation: Operation,
        handle: Handle,
        (tag, word): (u64, u64),
    ) {
        self.world.until(thread);
        let words = [word, 0, 0, 0, 0, 0];
        self.world.trap(operation as u64, handle.raw().into(), tag, words);
    }

    pub fn receive(&mut self) {
        self.trap(SERVER, Operation::Receive, self.endpoint, 0);
    }

    pub fn call(&mut self, client: u32, word: u64) {
        self.trap_with_word(client, Operation::Call, TO_SERVER, (message(), word));
    }

    /// What a thread finds that goes on.
    pub fn back(&mut self, thread: u32) -> Back {
        self.world.until(thread);
        self.world.back()
    }

    pub fn outcome(&mut self, thread: u32) -> Option<IpcError> {
        self.back(thread).outcome
    }

    pub fn close(&mut self, thread: u32, handle: Handle) {
        self.world.until(thread);
        assert_eq!(self.world.call(Handle::SELF, Close { handle }), Ok(()));
    }
}

/// A tag of a message of words.
pub fn message() -> u64 {
    Tag::new(Label(0x900)).encode()
}

fn start_client(world: &mut World, endpoint: Handle, number: u32) -> Handle {
    let calling = world.derive(
        endpoint,
        Rights::CALL | Rights::SIGNAL | Rights::PASS,
        Badge(1 << number),
    );
    let (client, memory) = world.create("client").expect("room");
    let place = TO_SERVER.index();
    world
        .call_with(client, Give { place }, &[], &[calling])
        .expect("gives");
    for handle in [memory, calling] {
        world.call(Handle::SELF, Close { handle }).expect("closes");
    }
    world.start(client);
    client
}

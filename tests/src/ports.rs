//! Ports that nobody listens on.

use std::{
    io,
    net::{Ipv4Addr, SocketAddrV4, TcpListener, UdpSocket},
};

/// How often a port that is free for TCP may turn out to be taken for UDP.
const TRIES: usize = 50;

/// A port of the loopback address that is free for TCP and UDP. Somebody else may take it before the
/// program does: then its start fails, and says so.
pub fn free_port() -> io::Result<u16> {
    for _ in 0..TRIES {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = tcp.local_addr()?.port();
        if UdpSocket::bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(io::Error::other("no port is free for both TCP and UDP"))
}

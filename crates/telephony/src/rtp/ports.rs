//! Ports for RTP: an even one and the next for RTCP, out of a range.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
    sync::atomic::{AtomicUsize, Ordering},
};

use tokio::net::UdpSocket;

use crate::SipError;

/// Hands out ports in turn, so that a port that was just closed rests before its next call.
#[derive(Debug)]
pub(crate) struct PortPool {
    range: RangeInclusive<u16>,
    turn: AtomicUsize,
}

impl PortPool {
    pub(crate) fn new(range: RangeInclusive<u16>) -> Self {
        Self { range, turn: AtomicUsize::new(0) }
    }

    /// Even ports whose successor is in the range too, each once, the least recently used first.
    fn candidates(&self) -> impl Iterator<Item = u16> {
        let first = self.range.start().next_multiple_of(2);
        let pairs = (usize::from(*self.range.end()) + 1).saturating_sub(usize::from(first)) / 2;
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        (0..pairs).filter_map(move |n| {
            let offset = (turn + n) % pairs * 2;
            first.checked_add(u16::try_from(offset).ok()?)
        })
    }
}

/// The two sockets of a call, and the address that the other side is told.
#[derive(Debug)]
pub(crate) struct MediaSocket {
    pub(super) rtp: UdpSocket,
    pub(super) rtcp: UdpSocket,
    advertised: SocketAddr,
}

impl MediaSocket {
    /// Opens two ports of the pool on `bind`; others reach them at `advertised`.
    pub(crate) async fn open(
        pool: &PortPool,
        bind: IpAddr,
        advertised: IpAddr,
    ) -> Result<Self, SipError> {
        for port in pool.candidates() {
            match Self::open_at(bind, port, advertised).await {
                Ok(socket) => return Ok(socket),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(SipError::NoPorts(pool.range.clone()))
    }

    async fn open_at(bind: IpAddr, port: u16, advertised: IpAddr) -> io::Result<Self> {
        let media = UdpSocket::bind((bind, port)).await?;
        let reports = UdpSocket::bind((bind, port + 1)).await?;
        let advertised = SocketAddr::new(advertised, port);
        Ok(Self { rtp: media, rtcp: reports, advertised })
    }

    /// Where the other side sends its sound.
    pub(crate) fn advertised(&self) -> SocketAddr {
        self.advertised
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn candidates_are_even_pairs_of_the_range_in_turn() {
        let pool = PortPool::new(40_001..=40_006);
        assert_eq!(pool.candidates().collect::<Vec<_>>(), [40_002, 40_004]);
        assert_eq!(pool.candidates().collect::<Vec<_>>(), [40_004, 40_002]);
        assert_eq!(PortPool::new(40_001..=40_002).candidates().count(), 0);
        assert_eq!(PortPool::new(65_534..=65_535).candidates().collect::<Vec<_>>(), [65_534]);
    }

    #[tokio::test]
    async fn a_range_without_a_free_port_is_said_so() {
        let local = IpAddr::from(Ipv4Addr::LOCALHOST);
        let taken = UdpSocket::bind((local, 0)).await.unwrap();
        let port = taken.local_addr().unwrap().port() & !1;
        let pool = PortPool::new(port..=port + 1);
        let error = MediaSocket::open(&pool, local, local).await.unwrap_err();
        assert!(matches!(error, SipError::NoPorts(_)), "{error}");
        assert!(error.to_string().contains("widen the range"));
    }
}

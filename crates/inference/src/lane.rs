//! A lane: one engine, its slots and its thread. It turns blocking, batched work into streams.

mod load;
mod waitlist;

use std::{
    num::NonZeroU32,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::{Duration, Instant},
};

use futures::Stream;
use tokio::sync::mpsc::{self, error::TrySendError};

pub use self::load::{BATCHES, Load};
use self::waitlist::Waitlist;
use crate::{
    Device, ModelError, ModelStream, Party,
    device::Seat,
    schedule::{Claim, Shares, Step, Tenant, Use},
};

/// Jobs that wait for a slot. When full, a new job's stream says [`ModelError::Busy`].
const QUEUED_JOBS: usize = 64;
/// Pieces that wait for their reader. A slot whose reader is full pauses and keeps its place.
const UNREAD_PIECES: usize = 64;
/// How soon a lane notices a reader that went away while it had nothing else to do.
const HOUSEKEEPING: Duration = Duration::from_millis(50);
/// How soon a lane without work notices that its last handle is gone.
const CLOSING: Duration = Duration::from_secs(1);

/// Whether an engine may keep the audio path from a processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// Steps of a millisecond or two that calls wait for: as urgent as the audio itself.
    WithAudio,
    /// Steps that fill the processors for long: packets, clocks and voice activity go first.
    BehindAudio,
}

impl Priority {
    /// How much nicer the threads behind the audio are. 5 is a third of the weight: they still get
    /// most of a machine that others share.
    const NICER: i32 = 5;

    fn take(self) {
        // Linux counts niceness per thread; new threads begin with their starter's.
        if self == Self::BehindAudio
            && cfg!(target_os = "linux")
            && let Err(error) = rustix::process::nice(Self::NICER)
        {
            tracing::debug!(%error, "a lane runs at the priority of the audio path");
        }
    }
}

/// A slot's number, below [`Engine::slots`].
pub type SlotId = usize;

/// What an engine says after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There is more to do at once.
    More,
    /// Nothing to do until an input stream wakes the lane or a job comes.
    Idle,
    /// Nothing to do until then, or until woken.
    Until(Instant),
}

/// A local model at work: blocking, owned by its lane's thread, stepping all its slots together.
///
/// Sizes its batches itself, by tokens or audio seconds, never by requests. Inputs that are streams
/// are polled with the `Context` of [`step`](Engine::step), which wakes the lane.
pub trait Engine {
    /// What one stream asks for.
    type Job: Send + 'static;
    /// What a stream yields.
    type Piece: Send + 'static;

    /// How many jobs may be at work at once.
    fn slots(&self) -> usize;
    /// For whom a job is. Unless it says so all are for callers of one tenant.
    fn party(_job: &Self::Job) -> Party {
        Party::caller(Tenant::default())
    }
    /// Takes a job into a free slot.
    fn admit(&mut self, slot: SlotId, job: Self::Job);
    /// Does one short piece of work for the slots in `slots`. An engine whose work takes a device for
    /// long asks [`Slots::may_step`] before it.
    fn step(&mut self, slots: &mut Slots<Self::Piece>, waker: &mut Context<'_>) -> Progress;
    /// Forgets a job: its reader is gone, or it is finished.
    fn release(&mut self, slot: SlotId);
}

/// The readers of an engine's slots.
pub struct Slots<P> {
    readers: Vec<Option<Reader<P>>>,
    done: Vec<SlotId>,
    load: Arc<Load>,
    seat: Option<Seat>,
    /// Who was given how much, where no device keeps count.
    shares: Shares,
}

/// Where a slot's pieces go.
struct Reader<P> {
    party: Party,
    pieces: mpsc::Sender<Result<P, ModelError>>,
    /// Whether it waits for the next piece.
    waits: Arc<AtomicBool>,
}

impl<P> Reader<P> {
    fn is_gone(&self) -> bool {
        self.pieces.is_closed()
    }
}

impl<P> Slots<P> {
    fn new(slots: usize, load: Arc<Load>, seat: Option<Seat>) -> Self {
        let readers = (0..slots).map(|_| None).collect();
        Self { readers, done: Vec::new(), load, seat, shares: Shares::default() }
    }

    /// Whether the device is free for the engine's next step, which serves these claims, each with the
    /// amount of work that is left until it is met. If not, the engine goes idle: its lane is woken when
    /// the device is free, and it asks again. Without claims there is nothing to step for.
    pub fn may_step(&mut self, step: Step, claims: &[(Claim, f64)]) -> bool {
        match &mut self.seat {
            Some(seat) => seat.enter(Instant::now(), step, claims),
            None => true,
        }
    }

    /// Charges the tenant of the slot's job for what was done for it.
    pub fn used(&mut self, slot: SlotId, used: Use) {
        let Some(tenant) = self.readers[slot].as_ref().map(|reader| reader.party.tenant) else {
            return;
        };
        self.with_shares(|shares| shares.charge(tenant, NonZeroU32::MIN, used));
    }

    /// What each tenant was given: of the device, where lanes share one.
    fn with_shares<R>(&mut self, look: impl FnOnce(&mut Shares) -> R) -> R {
        match &self.seat {
            Some(seat) => seat.with_shares(look),
            None => look(&mut self.shares),
        }
    }

    /// The engine's call is over, and with it its step.
    fn end_round(&mut self) {
        let is_late = self.seat.as_mut().is_some_and(|seat| seat.end_round(Instant::now()));
        if is_late {
            self.load.was_late();
        }
    }

    /// Notes that the model was run once for this many jobs together.
    pub fn stepped(&self, jobs: usize) {
        self.load.stepped(jobs);
    }

    /// The slots that hold a job whose reader is still there.
    pub fn active(&self) -> impl Iterator<Item = SlotId> + '_ {
        let live = |r: &Option<Reader<_>>| r.as_ref().is_some_and(|r| !r.is_gone());
        (0..self.readers.len()).filter(move |&slot| live(&self.readers[slot]))
    }

    /// Whether the slot's reader waits for its next piece. One that does something else with the
    /// processor meanwhile does not.
    pub fn is_awaited(&self, slot: SlotId) -> bool {
        self.readers[slot].as_ref().is_some_and(|r| r.waits.load(Ordering::Acquire))
    }

    /// Whether the slot's reader has room for `pieces` more; a slot without waits.
    pub fn has_room(&self, slot: SlotId, pieces: usize) -> bool {
        self.readers[slot].as_ref().is_some_and(|r| r.pieces.capacity() >= pieces)
    }

    /// A cheap way to ask from within a long computation whether the slot's reader is gone.
    pub fn watch(&self, slot: SlotId) -> impl Fn() -> bool + Send + 'static
    where
        P: Send + 'static,
    {
        let reader = self.readers[slot].as_ref().map(|r| r.pieces.downgrade());
        move || reader.as_ref().and_then(mpsc::WeakSender::upgrade).is_none_or(|r| r.is_closed())
    }

    /// Gives the slot's reader a piece. A reader that is full loses the stream: engines ask
    /// [`has_room`](Self::has_room) first.
    pub fn emit(&mut self, slot: SlotId, piece: P) {
        self.send(slot, Ok(piece));
    }

    /// Ends the slot's stream with a failure.
    pub fn fail(&mut self, slot: SlotId, error: ModelError) {
        self.send(slot, Err(error));
        self.finish(slot);
    }

    /// Ends the slot's stream.
    pub fn finish(&mut self, slot: SlotId) {
        if !self.done.contains(&slot) {
            self.done.push(slot);
        }
    }

    fn send(&mut self, slot: SlotId, item: Result<P, ModelError>) {
        let Some(reader) = &self.readers[slot] else { return };
        reader.waits.store(false, Ordering::Release);
        if let Err(TrySendError::Full(_)) = reader.pieces.try_send(item) {
            tracing::error!(slot, "engine outran its reader; the stream ends");
            self.finish(slot);
        }
    }
}

struct Request<E: Engine> {
    job: E::Job,
    reader: Reader<E::Piece>,
    since: Instant,
}

/// A running engine. Cloning shares it; it stops when the last clone is gone.
pub struct Lane<E: Engine> {
    name: &'static str,
    jobs: mpsc::Sender<Request<E>>,
    thread: Thread,
    load: Arc<Load>,
}

impl<E: Engine> Clone for Lane<E> {
    fn clone(&self) -> Self {
        Self {
            name: self.name,
            jobs: self.jobs.clone(),
            thread: self.thread.clone(),
            load: Arc::clone(&self.load),
        }
    }
}

impl<E: Engine + 'static> Lane<E> {
    /// Starts a thread, loads the engine on it, and waits until it is loaded. The threads that the
    /// engine starts have the same priority.
    pub fn start(
        name: &'static str,
        priority: Priority,
        load_engine: impl FnOnce() -> Result<E, ModelError> + Send + 'static,
    ) -> Result<Self, ModelError> {
        Self::start_on(None, name, priority, load_engine)
    }

    /// As [`start`](Self::start), on a device whose steps it takes in turn with the device's other lanes.
    pub fn start_on(
        device: Option<Device>,
        name: &'static str,
        priority: Priority,
        load_engine: impl FnOnce() -> Result<E, ModelError> + Send + 'static,
    ) -> Result<Self, ModelError> {
        let (jobs, queue) = mpsc::channel(QUEUED_JOBS);
        let (loaded_tx, loaded_rx) = std::sync::mpsc::sync_channel(1);
        let load = Arc::new(Load::of(name));
        let shared = Arc::clone(&load);
        let thread = thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                priority.take();
                match load_engine() {
                    Ok(engine) => {
                        if loaded_tx.send(Ok(())).is_ok() {
                            run(engine, queue, &shared, device.map(|device| device.seat()));
                        }
                    }
                    Err(error) => {
                        // The starter may have given up waiting; there is nobody else to tell.
                        drop(loaded_tx.send(Err(error)));
                    }
                }
            })
            .map_err(|e| ModelError::Engine { engine: name, reason: e.to_string() })?;
        let handle = thread.thread().clone();
        loaded_rx.recv().unwrap_or(Err(ModelError::Stopped { engine: name }))?;
        Ok(Self { name, jobs, thread: handle, load })
    }

    /// Opens a stream. Failures, a full lane among them, are its items.
    pub fn open(&self, job: E::Job) -> ModelStream<E::Piece> {
        let (pieces, queue) = mpsc::channel(UNREAD_PIECES);
        let waits = Arc::new(AtomicBool::new(false));
        let reader = Reader { party: E::party(&job), pieces, waits: Arc::clone(&waits) };
        let request = Request { job, reader, since: Instant::now() };
        let refused = match self.jobs.try_send(request) {
            Ok(()) => None,
            Err(TrySendError::Full(_)) => Some(ModelError::Busy { engine: self.name }),
            Err(TrySendError::Closed(_)) => Some(ModelError::Stopped { engine: self.name }),
        };
        self.thread.unpark();
        match refused {
            None => Box::pin(Pieces { queue, waits, thread: self.thread.clone() }),
            Some(error) => Box::pin(futures::stream::iter([Err(error)])),
        }
    }

    /// How busy the lane is.
    pub fn load(&self) -> Arc<Load> {
        Arc::clone(&self.load)
    }
}

/// The reader's end: wakes the lane when a full queue drains, when it waits and when it goes away.
struct Pieces<P> {
    queue: mpsc::Receiver<Result<P, ModelError>>,
    waits: Arc<AtomicBool>,
    thread: Thread,
}

impl<P> Stream for Pieces<P> {
    type Item = Result<P, ModelError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let was_full = self.queue.len() == UNREAD_PIECES;
        let item = self.queue.poll_recv(cx);
        let begins_to_wait = item.is_pending() && !self.waits.swap(true, Ordering::AcqRel);
        if was_full || begins_to_wait {
            self.thread.unpark();
        }
        item
    }
}

impl<P> Drop for Pieces<P> {
    fn drop(&mut self) {
        self.queue.close();
        self.thread.unpark();
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn run<E: Engine>(
    mut engine: E,
    mut queue: mpsc::Receiver<Request<E>>,
    load: &Arc<Load>,
    seat: Option<Seat>,
) {
    let mut slots = Slots::new(engine.slots(), Arc::clone(load), seat);
    let mut waitlist = Waitlist::new(engine.slots());
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut cx = Context::from_waker(&waker);
    loop {
        let closed = take_requests(&mut queue, &mut waitlist, &mut slots);
        free_slots(&mut engine, &mut slots);
        fill_slots(&mut engine, &mut slots, &mut waitlist);
        let active = slots.active().count();
        load.is_at_work_on(active);
        if closed && active == 0 && waitlist.is_empty() {
            return;
        }
        let began = Instant::now();
        let progress = if active > 0 { engine.step(&mut slots, &mut cx) } else { Progress::Idle };
        load.has_worked(began.elapsed());
        slots.end_round();
        if !slots.done.is_empty() {
            continue;
        }
        match progress {
            Progress::More => {}
            Progress::Idle if active == 0 => thread::park_timeout(CLOSING),
            Progress::Idle => thread::park_timeout(HOUSEKEEPING),
            Progress::Until(at) => {
                thread::park_timeout(at.saturating_duration_since(Instant::now()));
            }
        }
    }
}

/// Has new requests wait; true once no more can come.
fn take_requests<E: Engine>(
    queue: &mut mpsc::Receiver<Request<E>>,
    waitlist: &mut Waitlist<Request<E>>,
    slots: &mut Slots<E::Piece>,
) -> bool {
    while waitlist.len() < QUEUED_JOBS {
        match queue.try_recv() {
            Ok(request) => {
                let (party, since) = (request.reader.party, request.since);
                slots.with_shares(|shares| shares.arrived(party.tenant));
                waitlist.join(request, party, since);
            }
            Err(mpsc::error::TryRecvError::Empty) => return false,
            Err(mpsc::error::TryRecvError::Disconnected) => return true,
        }
    }
    false
}

fn free_slots<E: Engine>(engine: &mut E, slots: &mut Slots<E::Piece>) {
    for slot in 0..slots.readers.len() {
        let gone = slots.readers[slot].as_ref().is_some_and(Reader::is_gone);
        let is_over = gone || slots.done.contains(&slot);
        if let Some(reader) = slots.readers[slot].take_if(|_| is_over) {
            engine.release(slot);
            slots.with_shares(|shares| shares.left(reader.party.tenant));
        }
    }
    slots.done.clear();
}

fn fill_slots<E: Engine>(
    engine: &mut E,
    slots: &mut Slots<E::Piece>,
    waitlist: &mut Waitlist<Request<E>>,
) {
    waitlist.leave(|request| {
        let is_gone = request.reader.is_gone();
        if is_gone {
            slots.with_shares(|shares| shares.left(request.reader.party.tenant));
        }
        is_gone
    });
    if waitlist.is_empty() {
        return;
    }
    let free: Vec<SlotId> =
        (0..slots.readers.len()).filter(|&slot| slots.readers[slot].is_none()).collect();
    for (taken, &slot) in free.iter().enumerate() {
        let left = free.len() - taken;
        let next = slots.with_shares(|shares| waitlist.next(Instant::now(), left, shares));
        let Some(request) = next else { return };
        engine.admit(slot, request.job);
        slots.readers[slot] = Some(request.reader);
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;

    use super::*;

    /// Counts down from each job's number, all slots one down a step.
    struct Countdown {
        left: [u32; 2],
    }

    impl Engine for Countdown {
        type Job = u32;
        type Piece = u32;
        fn slots(&self) -> usize {
            2
        }
        fn admit(&mut self, slot: SlotId, job: u32) {
            self.left[slot] = job;
        }
        fn step(&mut self, slots: &mut Slots<u32>, _: &mut Context<'_>) -> Progress {
            let active: Vec<_> = slots.active().collect();
            for slot in active {
                if !slots.has_room(slot, 1) {
                    continue;
                }
                if self.left[slot] == 0 {
                    slots.finish(slot);
                } else {
                    self.left[slot] -= 1;
                    slots.emit(slot, self.left[slot]);
                }
            }
            Progress::More
        }
        fn release(&mut self, slot: SlotId) {
            self.left[slot] = 0;
        }
    }

    fn lane() -> Lane<Countdown> {
        Lane::start("countdown", Priority::WithAudio, || Ok(Countdown { left: [0; 2] })).unwrap()
    }

    #[test]
    fn every_job_is_served_though_there_are_fewer_slots() {
        let lane = lane();
        let streams: Vec<_> = (1..=10).map(|n| lane.open(n)).collect();
        for (n, stream) in (1..=10).zip(streams) {
            let pieces: Vec<u32> =
                futures::executor::block_on(stream.map(Result::unwrap).collect());
            assert_eq!(pieces, (0..n).rev().collect::<Vec<_>>());
        }
    }

    #[test]
    fn dropping_a_stream_frees_its_slot() {
        let lane = lane();
        let endless: Vec<_> = (0..2).map(|_| lane.open(u32::MAX)).collect();
        let next = lane.open(1);
        drop(endless);
        let pieces: Vec<_> = futures::executor::block_on(next.collect());
        assert_eq!(pieces.len(), 1);
    }

    #[test]
    fn a_slow_reader_pauses_its_slot_and_loses_nothing() {
        let lane = lane();
        let mut slow = lane.open(1000);
        let first = futures::executor::block_on(slow.next()).unwrap().unwrap();
        let quick: Vec<_> = futures::executor::block_on(lane.open(500).collect());
        assert_eq!(quick.len(), 500);
        let rest: Vec<u32> = futures::executor::block_on(slow.map(Result::unwrap).collect());
        assert_eq!((first, rest.len()), (999, 999));
    }

    #[test]
    fn a_full_queue_says_busy() {
        let lane = lane();
        let streams: Vec<_> = (0..200).map(|_| lane.open(u32::MAX)).collect();
        let refused = streams
            .into_iter()
            .filter_map(|mut s| match futures::FutureExt::now_or_never(s.next()) {
                Some(Some(Err(ModelError::Busy { .. }))) => Some(()),
                _ => None,
            })
            .count();
        assert!(refused > 0);
    }

    #[test]
    fn a_failed_load_is_told_to_the_starter() {
        let failed = Lane::<Countdown>::start("countdown", Priority::WithAudio, || {
            Err(ModelError::Missing { path: "x.bin".into() })
        });
        assert!(matches!(failed.err(), Some(ModelError::Missing { .. })));
    }
}

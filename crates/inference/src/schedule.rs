//! Who steps next on a device that lanes share: a GPU, or the processors of a site without one.

mod batch;
mod charge;
mod claim;
mod costs;
mod rank;
mod shares;
mod waiting;

use std::{
    collections::BTreeMap,
    num::NonZeroUsize,
    time::{Duration, Instant},
};

use self::{
    batch::Credit,
    charge::charge,
    rank::{Rank, micros, rank},
};
pub use self::{
    claim::{Claim, Class, Promise, Promises, Tenant},
    costs::{Cost, Costs},
    shares::{Rates, Shares, Use},
    waiting::{Line, Waiting},
};

/// A lane of a device, in the order of [`Schedule::lane`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneId(usize);

/// One uninterruptible piece of a lane's work.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Which of the lane's kinds of step; each has a cost of its own.
    pub kind: u8,
    /// How much of it: replies, tokens, seconds of sound, whatever the cost grows with.
    pub amount: f64,
    /// Where the work of more callers is done in the same step for little more: how often a lane that has too
    /// much to do steps, so that nothing is late for it.
    pub pace: Option<Duration>,
}

/// What a lane asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Request {
    /// The most urgent of the lane's claims.
    pub claim: Claim,
    /// The step that it would do next.
    pub step: Step,
    /// The amount that is left until the claim is met, this step included.
    pub left: f64,
}

/// What a granted step came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stepped {
    /// The step.
    pub step: Step,
    /// How long it took.
    pub took: Duration,
    /// How much of it one more caller's work would repeat.
    pub charged: Duration,
}

/// Decides which lane of a device steps next. Pure: knows no clock and holds no lock.
///
/// A lane that has work asks; whoever owns the device calls [`next`](Self::next) until it says
/// `None`, and lets each lane it names do its one step, after which the lane is
/// [`done`](Self::done). Ask, withdraw and done may each make `next` name another lane.
///
/// Live claims go by slack, the least first: the time to the due time less the work that is left
/// (least laxity first: Mok 1983; playback slack: arXiv 2602.00269). Such an
/// order is good until there is too much work and then fails everyone in turn. So a claim that
/// cannot be met yields to those that can, and goes first again once it has waited for
/// [`PATIENCE`](rank::PATIENCE). Batch work takes what is left, and a small share at the cost of live
/// claims that have the slack for it.
#[derive(Clone, Debug)]
pub struct Schedule {
    width: usize,
    lanes: Vec<Place>,
    credit: Credit,
    /// Who was given how much: among claims of equal urgency whoever was given least goes first.
    pub shares: Shares,
}

/// What is known of a lane.
#[derive(Clone, Debug)]
struct Place {
    unmeasured: Costs,
    costs: BTreeMap<u8, Costs>,
    asked: Option<Asked>,
    running: Option<Running>,
    /// When the last step began.
    stepped: Option<Instant>,
    used: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    request: Request,
    /// Since when, through all requests that replaced one another.
    since: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Running {
    request: Request,
    since: Instant,
}

impl Schedule {
    /// Of a device on which `width` steps may run at once: 1 on a GPU, the number of processors
    /// without one.
    pub fn new(width: NonZeroUsize) -> Self {
        let (lanes, credit) = (Vec::new(), Credit::default());
        Self { width: width.get(), lanes, credit, shares: Shares::default() }
    }

    /// A lane that shares the device. `prior` is believed of its steps until they are measured.
    pub fn lane(&mut self, prior: Cost) -> LaneId {
        let unmeasured = Costs::new(prior);
        self.lanes.push(Place {
            unmeasured,
            costs: BTreeMap::new(),
            asked: None,
            running: None,
            stepped: None,
            used: Duration::ZERO,
        });
        LaneId(self.lanes.len() - 1)
    }

    /// Asks for a step, or replaces what the lane asked for before. A lane may ask for its next step
    /// while one runs.
    pub fn ask(&mut self, now: Instant, lane: LaneId, request: Request) {
        if let (None, Some(slack)) = (self.lanes[lane.0].asked, self.slack(now, lane, &request)) {
            self.credit.live_asked(slack);
        }
        let asked = &mut self.lanes[lane.0].asked;
        let since = asked.map_or(now, |asked| asked.since);
        *asked = Some(Asked { request, since });
    }

    /// Asks for nothing any more. A step that runs goes on.
    pub fn withdraw(&mut self, lane: LaneId) {
        self.lanes[lane.0].asked = None;
    }

    /// Grants a step: the lane that is to do it at once. `None` while as many run as may, or when
    /// nobody asks.
    pub fn next(&mut self, now: Instant) -> Option<LaneId> {
        if self.lanes.iter().filter(|place| place.running.is_some()).count() >= self.width {
            return None;
        }
        let live = self.waiting().filter_map(|lane| rank(self, now, lane)).min().map(Rank::lane);
        let lane = match (live, self.first_batch(now)) {
            (Some(live), Some(batch)) if !self.goes_before_live(now, batch) => live,
            (live, batch) => batch.or(live)?,
        };
        let place = &mut self.lanes[lane.0];
        let request = place.asked.take()?.request;
        place.running = Some(Running { request, since: now });
        Some(lane)
    }

    /// The granted step is over: its cost is learned. `None` when the lane had none.
    pub fn done(&mut self, now: Instant, lane: LaneId) -> Option<Stepped> {
        let place = &mut self.lanes[lane.0];
        let Running { request, since } = place.running.take()?;
        let step = request.step;
        let took = now.saturating_duration_since(since);
        place.used += took;
        let unmeasured = &place.unmeasured;
        let costs = place.costs.entry(step.kind).or_insert_with(|| unmeasured.clone());
        costs.measured(step.amount, took);
        let since_last =
            place.stepped.replace(since).map(|last| since.saturating_duration_since(last));
        let charged = step
            .pace
            .map_or(took, |pace| charge(costs.cost(), took, since_last.unwrap_or(pace), pace));
        let is_batch_waiting = self.waiting().any(|lane| self.is_batch(lane));
        self.credit.stepped(request.claim.class, took, is_batch_waiting);
        Some(Stepped { step, took, charged })
    }

    /// Gives back the granted step without learning from it: the lane failed, or had nothing to do
    /// after all.
    pub fn cancel(&mut self, lane: LaneId) {
        self.lanes[lane.0].running = None;
    }

    /// The request for a step that serves several claims, each with the amount that is left of it:
    /// the one with the least slack of those that can still be met, else the first due. `None`
    /// without claims.
    pub fn most_urgent(
        &self,
        now: Instant,
        lane: LaneId,
        step: Step,
        claims: impl IntoIterator<Item = (Claim, f64)>,
    ) -> Option<Request> {
        let requests = claims.into_iter().map(|(claim, left)| Request { claim, step, left });
        requests.min_by_key(|request| match self.slack(now, lane, request) {
            Some(slack) if slack >= 0 => (0, slack, self.shares.round(request.claim.tenant)),
            Some(slack) => (1, slack, 0),
            None => (2, 0, self.shares.round(request.claim.tenant)),
        })
    }

    /// How long a step of the lane safely takes.
    pub fn cost(&self, lane: LaneId, step: Step) -> Duration {
        self.costs(lane, step.kind).safe(step.amount)
    }

    /// The work that is left until a request's claim is met: this step safely, the rest on average.
    pub fn work_left(&self, lane: LaneId, request: &Request) -> Duration {
        let Step { kind, amount, .. } = request.step;
        let steps = if amount > 0.0 { (request.left / amount).ceil().clamp(1.0, 1e6) } else { 1.0 };
        let costs = self.costs(lane, kind);
        costs.safe(amount) + costs.mean(amount).mul_f64(steps - 1.0)
    }

    /// The largest amount of a batch step that leaves live claims the slack that they lately came
    /// with. At least 1 unit is worth doing, whatever this says.
    pub fn batch_amount(&self, lane: LaneId, kind: u8) -> f64 {
        self.costs(lane, kind).amount_within(self.credit.longest_step())
    }

    /// What is known of the cost of a kind of step.
    pub fn costs(&self, lane: LaneId, kind: u8) -> &Costs {
        let place = &self.lanes[lane.0];
        place.costs.get(&kind).unwrap_or(&place.unmeasured)
    }

    /// How long the lane's steps took, all together.
    pub fn used(&self, lane: LaneId) -> Duration {
        self.lanes[lane.0].used
    }

    /// Time to the due time less the work that is left, microseconds; `None` of batch work.
    fn slack(&self, now: Instant, lane: LaneId, request: &Request) -> Option<i64> {
        let due = request.claim.due()?;
        let work = micros(now, now + self.work_left(lane, request));
        Some(micros(now, due).saturating_sub(work))
    }

    /// The lanes that ask and do not run.
    fn waiting(&self) -> impl Iterator<Item = LaneId> + '_ {
        let waits = |place: &Place| place.asked.is_some() && place.running.is_none();
        (0..self.lanes.len()).map(LaneId).filter(move |lane| waits(&self.lanes[lane.0]))
    }

    fn is_batch(&self, lane: LaneId) -> bool {
        self.lanes[lane.0].asked.is_some_and(|asked| asked.request.claim.class == Class::Batch)
    }

    /// The batch request whose tenant was given least; one that waits for long goes by that alone.
    fn first_batch(&self, now: Instant) -> Option<LaneId> {
        self.waiting().filter(|&lane| self.is_batch(lane)).min_by_key(|lane| {
            let asked = self.lanes[lane.0].asked;
            let since = asked.map_or(now, |asked| asked.since);
            let round = asked.map_or(0, |asked| self.shares.round(asked.request.claim.tenant));
            let is_patient = now.saturating_duration_since(since) < batch::PATIENCE;
            (is_patient, if is_patient { round } else { 0 }, since)
        })
    }
}

#[cfg(test)]
mod tests;

//! What a step costs, learned from the steps that were measured.

use std::time::Duration;

/// How much a new measurement weighs against all before it: the last hundred or so count.
const FORGETTING: f64 = 0.98;
/// Amounts must spread this much about their mean before they tell a fixed cost from one a unit.
const LEAST_SPREAD: f64 = 0.05;
/// A measurement further from the prediction than this many usual deviations counts as this far: a
/// thread that lost its processor for a while says nothing of the step.
const OUTLIER: f64 = 4.0;
/// The share of steps that take no longer than [`Costs::safe`] says.
const QUANTILE: f64 = 0.95;
/// How far one measurement moves the quantile, in usual deviations.
const QUANTILE_STEP: f64 = 0.1;
/// Nothing takes less; it keeps deviations from vanishing.
const LEAST: f64 = 1e-6;

/// The cost of a step of some amount: `fixed + per_unit * amount`, seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// Seconds, whatever the amount.
    pub fixed: f64,
    /// Seconds a unit of the amount.
    pub per_unit: f64,
}

impl Cost {
    /// Seconds for `amount` units.
    pub fn of(&self, amount: f64) -> f64 {
        self.fixed + self.per_unit * amount.max(0.0)
    }
}

impl Default for Cost {
    /// What is believed of a step of which nothing is known: 10 ms.
    fn default() -> Self {
        Self { fixed: 0.010, per_unit: 0.0 }
    }
}

/// An online fit of the cost of one kind of step.
///
/// Exponentially forgetting least squares (Ljung and Söderström, "Theory and Practice of Recursive
/// Identification", 1983) with residuals clipped as Huber's estimator does, kept to costs that are
/// not negative. Deviations and the safety quantile are followed by stochastic approximation
/// (Robbins and Monro 1951).
#[derive(Clone, Debug)]
pub struct Costs {
    prior: Cost,
    sums: Sums,
    cost: Cost,
    deviation: f64,
    quantile: f64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    n: f64,
    x: f64,
    y: f64,
    xx: f64,
    xy: f64,
}

impl Costs {
    /// With `prior` believed until the first measurement.
    pub fn new(prior: Cost) -> Self {
        let quantile = 2.0;
        Self { prior, sums: Sums::default(), cost: prior, deviation: 0.0, quantile }
    }

    /// The fitted cost.
    pub fn cost(&self) -> Cost {
        self.cost
    }

    /// How long a step of `amount` takes on average.
    pub fn mean(&self, amount: f64) -> Duration {
        seconds(self.cost.of(amount))
    }

    /// What 95 % of steps of `amount` do not exceed.
    pub fn safe(&self, amount: f64) -> Duration {
        seconds(self.cost.of(amount) + self.quantile * self.deviation)
    }

    /// The largest amount that is safely done within `limit`; 0 when none is, infinite when the
    /// amount costs nothing.
    pub fn amount_within(&self, limit: Duration) -> f64 {
        let room = limit.as_secs_f64() - self.cost.fixed - self.quantile * self.deviation;
        if room <= 0.0 {
            return 0.0;
        }
        if self.cost.per_unit <= 0.0 { f64::INFINITY } else { room / self.cost.per_unit }
    }

    /// Learns that a step of `amount` took `took`.
    pub fn measured(&mut self, amount: f64, took: Duration) {
        let amount = if amount.is_finite() { amount.max(0.0) } else { return };
        let took = self.without_outlier(amount, took.as_secs_f64());
        self.sums.add(amount, took);
        self.cost = self.sums.fit(self.prior);
    }

    /// The measurement, moved to the edge of what is usual if it is far outside. The edge moves too,
    /// so that a lasting change is believed after a few steps.
    fn without_outlier(&mut self, amount: f64, took: f64) -> f64 {
        if self.sums.n == 0.0 {
            self.deviation = took * 0.1 + LEAST;
            return took;
        }
        let expected = self.cost.of(amount);
        let edge = OUTLIER * self.deviation;
        let residual = (took - expected).clamp(-edge, edge);
        self.deviation += 0.1 * (residual.abs() - self.deviation);
        self.deviation = self.deviation.max(LEAST);
        let exceeded = residual > self.quantile * self.deviation;
        self.quantile += QUANTILE_STEP * (QUANTILE - f64::from(u8::from(!exceeded)));
        self.quantile = self.quantile.clamp(0.5, OUTLIER);
        expected + residual
    }
}

impl Sums {
    fn add(&mut self, x: f64, y: f64) {
        self.n = self.n * FORGETTING + 1.0;
        self.x = self.x * FORGETTING + x;
        self.y = self.y * FORGETTING + y;
        self.xx = self.xx * FORGETTING + x * x;
        self.xy = self.xy * FORGETTING + x * y;
    }

    fn fit(&self, prior: Cost) -> Cost {
        let (x, y) = (self.x / self.n, self.y / self.n);
        let spread = (self.xx / self.n - x * x).max(0.0);
        if spread <= (LEAST_SPREAD * x).powi(2) {
            return scaled(prior, x, y);
        }
        let per_unit = (self.xy / self.n - x * y) / spread;
        if per_unit <= 0.0 {
            return Cost { fixed: y.max(0.0), per_unit: 0.0 };
        }
        let fixed = y - per_unit * x;
        if fixed >= 0.0 {
            return Cost { fixed, per_unit };
        }
        Cost { fixed: 0.0, per_unit: self.xy / self.xx }
    }
}

/// The prior, stretched to go through one point: all that measurements of one amount can tell.
fn scaled(prior: Cost, x: f64, y: f64) -> Cost {
    let believed = prior.of(x);
    if believed <= 0.0 {
        return Cost { fixed: y, per_unit: 0.0 };
    }
    let by = y / believed;
    Cost { fixed: prior.fixed * by, per_unit: prior.per_unit * by }
}

/// An hour is as good as for ever.
fn seconds(s: f64) -> Duration {
    Duration::from_secs_f64(if s.is_finite() { s.clamp(0.0, 3_600.0) } else { 3_600.0 })
}

#[cfg(test)]
mod tests;

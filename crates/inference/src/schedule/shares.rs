//! Whose turn it is among tenants: each is given its weight's share of the work.

use std::{collections::BTreeMap, num::NonZeroU32};

use super::Tenant;

/// How far ahead of the furthest behind a tenant may be before its jobs wait for others': seconds
/// of sound, or what costs as much. Less is fairer from moment to moment, more leaves more to dues.
const ALLOWANCE: f64 = 10.0;

/// What a job used. Negative amounts give back what was charged too much.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Use {
    /// Seconds of sound heard or spoken.
    pub audio_seconds: f64,
    /// Tokens read or written.
    pub tokens: f64,
}

/// What the uses cost, in whatever unit both are measured by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// Of a second of sound.
    pub audio_second: f64,
    /// Of a token.
    pub token: f64,
}

impl Default for Rates {
    /// A token is as much as the sound of one: speech has three or four words a second.
    fn default() -> Self {
        Self { audio_second: 1.0, token: 0.25 }
    }
}

/// What each tenant was given, by weight.
///
/// Start-time fair queueing (Goyal, Vin and Cheng, SIGCOMM 1996) with the counters of the virtual
/// token counter (Sheng et al., "Fairness in Serving Large Language Models", OSDI 2024): a tenant
/// that was away resumes at the virtual time, so that idling saves up nothing, and one that has jobs
/// all the time is given its weight's share to within an allowance and one job, whatever others send.
#[derive(Clone, Debug)]
pub struct Shares {
    rates: Rates,
    virtual_time: f64,
    accounts: BTreeMap<Tenant, Account>,
}

#[derive(Clone, Copy, Debug)]
struct Account {
    /// What the tenant was given over its weight.
    tag: f64,
    /// Its jobs that wait or are at work.
    jobs: u32,
}

impl Default for Shares {
    fn default() -> Self {
        Self::new(Rates::default())
    }
}

impl Shares {
    /// Shares of work that costs `rates`.
    pub fn new(rates: Rates) -> Self {
        Self { rates, virtual_time: 0.0, accounts: BTreeMap::new() }
    }

    /// Notes that a job of the tenant came, before it is charged.
    pub fn arrived(&mut self, tenant: Tenant) {
        let virtual_time = self.virtual_time;
        let account = self.accounts.entry(tenant).or_insert(Account { tag: virtual_time, jobs: 0 });
        if account.jobs == 0 {
            account.tag = account.tag.max(virtual_time);
        }
        account.jobs = account.jobs.saturating_add(1);
    }

    /// Notes that a job of the tenant ended or was given up.
    pub fn left(&mut self, tenant: Tenant) {
        if let Some(account) = self.accounts.get_mut(&tenant) {
            account.jobs = account.jobs.saturating_sub(1);
        }
        self.advance();
        // One who is away and not ahead resumes at the virtual time: nothing to remember.
        let virtual_time = self.virtual_time;
        self.accounts.retain(|_, a| a.jobs > 0 || a.tag > virtual_time);
    }

    /// Charges the tenant. Charge a job what it is expected to use when it is begun, and the
    /// difference when it ends: what is at work but not yet charged looks like nothing.
    pub fn charge(&mut self, tenant: Tenant, weight: NonZeroU32, used: Use) {
        let cost = used.audio_seconds * self.rates.audio_second + used.tokens * self.rates.token;
        if !cost.is_finite() {
            return;
        }
        let virtual_time = self.virtual_time;
        let account = self.accounts.entry(tenant).or_insert(Account { tag: virtual_time, jobs: 0 });
        account.tag = (account.tag + cost / f64::from(weight.get())).max(0.0);
        self.advance();
    }

    /// How many allowances the tenant is ahead of whoever is furthest behind, rounded down: jobs of
    /// a lower round go first.
    pub fn round(&self, tenant: Tenant) -> u32 {
        let tag = self.accounts.get(&tenant).map_or(self.virtual_time, |a| a.tag);
        let ahead = (tag - self.virtual_time).max(0.0) / ALLOWANCE;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
        let round = ahead as u32;
        round
    }

    /// The virtual time is the least tag of those that have jobs; it never goes back.
    fn advance(&mut self) {
        let behind = self.accounts.values().filter(|a| a.jobs > 0).map(|a| a.tag);
        if let Some(least) = behind.min_by(f64::total_cmp) {
            self.virtual_time = self.virtual_time.max(least);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: NonZeroU32 = NonZeroU32::MIN;

    fn tokens(tokens: f64) -> Use {
        Use { audio_seconds: 0.0, tokens }
    }

    #[test]
    fn a_tenant_that_was_away_has_saved_up_nothing() {
        let mut shares = Shares::default();
        let (busy, away) = (Tenant(1), Tenant(2));
        shares.arrived(busy);
        shares.charge(busy, ONE, tokens(1e6));
        shares.arrived(away);
        assert_eq!(shares.round(busy), shares.round(away));
        shares.charge(away, ONE, tokens(100.0));
        assert!(shares.round(away) > shares.round(busy));
    }

    #[test]
    fn a_flood_goes_behind_a_tenant_with_little_to_do() {
        let mut shares = Shares::default();
        let (flood, modest) = (Tenant(1), Tenant(2));
        shares.arrived(flood);
        shares.arrived(modest);
        shares.charge(flood, ONE, tokens(400.0));
        shares.charge(modest, ONE, tokens(4.0));
        assert!(shares.round(flood) > shares.round(modest));
    }

    #[test]
    fn twice_the_weight_is_charged_half() {
        let mut shares = Shares::default();
        for tenant in (1..=3).map(Tenant) {
            shares.arrived(tenant);
        }
        shares.charge(Tenant(1), ONE, tokens(800.0));
        shares.charge(Tenant(2), ONE.saturating_add(1), tokens(800.0));
        assert_eq!(shares.round(Tenant(1)), 2 * shares.round(Tenant(2)));
    }

    #[test]
    fn tenants_that_left_are_forgotten() {
        let mut shares = Shares::default();
        for tenant in (0..1_000).map(Tenant) {
            shares.arrived(tenant);
            shares.charge(tenant, ONE, tokens(1.0));
            shares.left(tenant);
        }
        shares.arrived(Tenant(5_000));
        shares.charge(Tenant(5_000), ONE, tokens(100.0));
        shares.left(Tenant(5_000));
        assert!(shares.accounts.len() <= 2, "{}", shares.accounts.len());
    }
}

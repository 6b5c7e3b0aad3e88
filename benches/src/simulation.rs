//! Calls on one device in virtual time: how many of them it carries, by the real schedule and by others.
//!
//! A discrete-event simulation without clock or threads: the same seed gives the same figures. What steps
//! take is computed (`trunkline_inference::capacity`) or measured (the processor's); who steps when is
//! decided by `trunkline_inference::schedule`, with the due times that the lanes use.

mod cluster;
mod gate;
mod lanes;
mod machine;
mod oracle;
mod order;
mod search;
mod workload;
mod world;

pub use self::{
    cluster::{Cluster, Offered, devices_needed},
    gate::Counts,
    machine::{Machine, Took},
    oracle::carried_by_oracle,
    order::{Floor, Order},
    search::{OURS, Scenario, best_migs, best_split, carried, most_calls},
    workload::{Clause, Mix, Turn, turns},
    world::{Figures, Outcome, World},
};

#[cfg(test)]
mod tests;

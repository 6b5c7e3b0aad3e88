//! Fakes and worlds for tests: fake engines, scripted legs, timelines, simulated networks.

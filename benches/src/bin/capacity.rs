//! How many calls a device carries, in virtual time.
fn main() {
    use trunkline_benches::simulation::*;
    use trunkline_inference::capacity::*;
    let gpu = *Gpu::named("a100").unwrap();
    let models = Models { recognizer: Recognizer::TURBO, language: *LanguageModel::named("8b-bf16").unwrap(), voice: VoiceModel::KOKORO };
    let s = Scenario { machine: Machine::Gpu(gpu, models), mixes: vec![Mix::USUAL], seconds: 120.0, seeds: vec![1, 2, 3] };
    for (name, floor) in [("ours", Floor::InTurn(Order::Schedule)), ("fifo", Floor::InTurn(Order::FirstCome)), ("edf", Floor::InTurn(Order::FirstDue)), ("sliced", Floor::Sliced)] {
        let t = std::time::Instant::now();
        let n = carried(&s, floor);
        let f = s.run(n.max(1), 1, floor);
        let bad: Vec<_> = s.run(n+20,1,floor).outcomes.iter().map(|o| (o.latency.is_none_or(|l| l > 2.0), o.ran_dry)).collect();
        println!("{name} late {} dry {} of {}", bad.iter().filter(|b| b.0).count(), bad.iter().filter(|b| b.1).count(), bad.len());
        println!("{name}: {n} calls, p50 {:.2} p95 {:.2} worked {:?} of {:.0}; next: {:.3} {:.2} {:.2}  ({:.1} s)", f.latency(0.5), f.latency(0.95), f.worked, f.ended,
            s.run(n+20,1,floor).good(), s.run(n+20,1,floor).latency(0.5), s.run(n+20,1,floor).latency(0.99), t.elapsed().as_secs_f64());
    }
    if std::env::var("SPLIT").is_err() { return; }
    let t = std::time::Instant::now();
    println!("split {:?} ({:.1} s)", best_split(&s), t.elapsed().as_secs_f64());
}

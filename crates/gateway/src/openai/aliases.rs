//! What clients call models and voices.

use std::collections::BTreeMap;

/// What a model is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ModelRole {
    /// Chats.
    Llm,
    /// Hears.
    Stt,
    /// Speaks.
    Tts,
    /// Embeds texts.
    Embedding,
    /// Judges texts, by how the embedder embeds them.
    Moderation,
}

impl ModelRole {
    /// The role of this name in the configuration.
    pub fn of(name: &str) -> Option<Self> {
        Some(match name {
            "llm" => Self::Llm,
            "stt" => Self::Stt,
            "tts" => Self::Tts,
            "embedding" => Self::Embedding,
            "moderation" => Self::Moderation,
            _ => return None,
        })
    }
}

/// OpenAI's names, as of November 2026. Of several that fit, the one with the most letters counts.
const OPENAI: [(&str, &str); 18] = [
    ("gpt-*", "llm"),
    ("chatgpt-*", "llm"),
    ("o1*", "llm"),
    ("o3*", "llm"),
    ("o4*", "llm"),
    ("omni-moderation-*", "moderation"),
    ("text-moderation-*", "moderation"),
    ("whisper-1", "stt"),
    ("gpt-*transcribe*", "stt"),
    ("gpt-realtime-whisper*", "stt"),
    ("gpt-realtime-translate*", "stt"),
    ("tts-1*", "tts"),
    ("gpt-*-tts*", "tts"),
    ("text-embedding-3-*", "embedding"),
    ("text-embedding-ada-*", "embedding"),
    ("davinci-*", "llm"),
    ("babbage-*", "llm"),
    ("codex-*", "llm"),
];

/// Names in which `*` stands for any letters.
#[derive(Clone, Debug, Default)]
pub struct Aliases {
    /// The most specific first; of equals, those of the configuration.
    rules: Vec<(String, String)>,
}

impl Aliases {
    /// The configured names and, when wanted, OpenAI's.
    pub fn new(configured: &BTreeMap<String, String>, with_openai: bool) -> Self {
        let own = configured.iter().map(|(name, to)| (name.clone(), to.clone()));
        let openai = OPENAI.iter().filter(|_| with_openai);
        let openai = openai.map(|&(name, to)| (name.to_owned(), to.to_owned()));
        let mut rules: Vec<_> = own.chain(openai).collect();
        rules.sort_by_key(|(name, _)| std::cmp::Reverse(letters(name)));
        Self { rules }
    }

    /// What `name` stands for.
    pub fn resolve(&self, name: &str) -> Option<&str> {
        let fitting = self.rules.iter().find(|(pattern, _)| matches(pattern, name));
        fitting.map(|(_, to)| to.as_str())
    }

    /// The names without `*`.
    pub fn plain(&self) -> impl Iterator<Item = (&str, &str)> {
        let plain = self.rules.iter().filter(|(name, _)| !name.contains('*'));
        plain.map(|(name, to)| (name.as_str(), to.as_str()))
    }
}

/// How specific a pattern is: one without `*` more than any with.
fn letters(pattern: &str) -> (bool, usize) {
    (!pattern.contains('*'), pattern.chars().filter(|&c| c != '*').count())
}

/// Whether `name` is `pattern`, in which `*` stands for any letters, none among them.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut left) = name.strip_prefix(start) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let end = parts.pop().unwrap_or_default();
    for part in parts {
        let Some((_, after)) = left.split_once(part) else { return false };
        left = after;
    }
    left.ends_with(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(name: &str) -> Option<ModelRole> {
        let aliases = Aliases::new(&BTreeMap::new(), true);
        aliases.resolve(name).and_then(ModelRole::of)
    }

    #[test]
    fn openais_names_stand_for_roles() {
        for (role_of, names) in [
            (ModelRole::Llm, &["gpt-4o", "gpt-5.1-mini", "gpt-realtime", "o3-mini"][..]),
            (
                ModelRole::Stt,
                &[
                    "whisper-1",
                    "gpt-4o-transcribe",
                    "gpt-4o-mini-transcribe",
                    "gpt-4o-transcribe-diarize",
                    "gpt-live-transcribe",
                    "gpt-realtime-whisper",
                ],
            ),
            (
                ModelRole::Tts,
                &["tts-1", "tts-1-hd", "gpt-4o-mini-tts", "gpt-4o-mini-tts-2025-12-15"],
            ),
            (ModelRole::Embedding, &["text-embedding-3-small", "text-embedding-ada-002"]),
            (ModelRole::Moderation, &["omni-moderation-latest", "text-moderation-stable"]),
        ] {
            for name in names {
                assert_eq!(role(name), Some(role_of), "{name}");
            }
        }
        assert_eq!(role("llama-3"), None);
        assert_eq!(role("whisper-2"), None);
    }

    #[test]
    fn the_most_specific_name_counts_and_the_configured_ones_first() {
        let names = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|&(name, to)| (name.to_owned(), to.to_owned())).collect()
        };
        let own: BTreeMap<_, _> =
            names(&[("gpt-*", "qwen"), ("gpt-4*", "phi"), ("*", "any"), ("gpt-4o", "exact")]);
        let aliases = Aliases::new(&own, true);
        assert_eq!(aliases.resolve("gpt-3"), Some("qwen"));
        assert_eq!(aliases.resolve("gpt-4.1"), Some("phi"));
        assert_eq!(aliases.resolve("gpt-4o"), Some("exact"));
        assert_eq!(aliases.resolve("whisper-1"), Some("stt"));
        assert_eq!(aliases.resolve("other"), Some("any"));
        assert_eq!(Aliases::new(&BTreeMap::new(), false).resolve("gpt-4o"), None);
    }

    #[test]
    fn a_star_stands_for_any_letters() {
        for (pattern, name, fits) in [
            ("a*b*c", "abc", true),
            ("a*b*c", "a1b2c", true),
            ("a*b*c", "a1c", false),
            ("a*", "a", true),
            ("*a", "ba", true),
            ("*a", "ab", false),
            ("a*a", "a", false),
            ("é*", "é1", true),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
        }
    }
}

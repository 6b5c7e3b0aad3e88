//! The languages that Whisper knows, by code and by English name.

use crate::refusal::Refusal;

/// Code (ISO 639-1 where there is one) and English name as Whisper's makers have them.
#[rustfmt::skip]
const LANGUAGES: [(&str, &str); 100] = [
    ("af", "afrikaans"), ("am", "amharic"), ("ar", "arabic"), ("as", "assamese"),
    ("az", "azerbaijani"), ("ba", "bashkir"), ("be", "belarusian"), ("bg", "bulgarian"),
    ("bn", "bengali"), ("bo", "tibetan"), ("br", "breton"), ("bs", "bosnian"), ("ca", "catalan"),
    ("cs", "czech"), ("cy", "welsh"), ("da", "danish"), ("de", "german"), ("el", "greek"),
    ("en", "english"), ("es", "spanish"), ("et", "estonian"), ("eu", "basque"), ("fa", "persian"),
    ("fi", "finnish"), ("fo", "faroese"), ("fr", "french"), ("gl", "galician"),
    ("gu", "gujarati"), ("ha", "hausa"), ("haw", "hawaiian"), ("he", "hebrew"), ("hi", "hindi"),
    ("hr", "croatian"), ("ht", "haitian creole"), ("hu", "hungarian"), ("hy", "armenian"),
    ("id", "indonesian"), ("is", "icelandic"), ("it", "italian"), ("ja", "japanese"),
    ("jw", "javanese"), ("ka", "georgian"), ("kk", "kazakh"), ("km", "khmer"), ("kn", "kannada"),
    ("ko", "korean"), ("la", "latin"), ("lb", "luxembourgish"), ("ln", "lingala"), ("lo", "lao"),
    ("lt", "lithuanian"), ("lv", "latvian"), ("mg", "malagasy"), ("mi", "maori"),
    ("mk", "macedonian"), ("ml", "malayalam"), ("mn", "mongolian"), ("mr", "marathi"),
    ("ms", "malay"), ("mt", "maltese"), ("my", "myanmar"), ("ne", "nepali"), ("nl", "dutch"),
    ("nn", "nynorsk"), ("no", "norwegian"), ("oc", "occitan"), ("pa", "punjabi"),
    ("pl", "polish"), ("ps", "pashto"), ("pt", "portuguese"), ("ro", "romanian"),
    ("ru", "russian"), ("sa", "sanskrit"), ("sd", "sindhi"), ("si", "sinhala"), ("sk", "slovak"),
    ("sl", "slovenian"), ("sn", "shona"), ("so", "somali"), ("sq", "albanian"), ("sr", "serbian"),
    ("su", "sundanese"), ("sv", "swedish"), ("sw", "swahili"), ("ta", "tamil"), ("te", "telugu"),
    ("tg", "tajik"), ("th", "thai"), ("tk", "turkmen"), ("tl", "tagalog"), ("tr", "turkish"),
    ("tt", "tatar"), ("uk", "ukrainian"), ("ur", "urdu"), ("uz", "uzbek"), ("vi", "vietnamese"),
    ("yi", "yiddish"), ("yo", "yoruba"), ("yue", "cantonese"), ("zh", "chinese"),
];
/// Other names of some.
const ALSO: [(&str, &str); 14] = [
    ("bokmal", "no"),
    ("burmese", "my"),
    ("castilian", "es"),
    ("farsi", "fa"),
    ("filipino", "tl"),
    ("flemish", "nl"),
    ("haitian", "ht"),
    ("iw", "he"),
    ("jv", "jw"),
    ("mandarin", "zh"),
    ("moldavian", "ro"),
    ("nb", "no"),
    ("panjabi", "pa"),
    ("sinhalese", "si"),
];
/// Those that are written without spaces between words.
const UNSPACED: [&str; 8] = ["bo", "ja", "km", "lo", "my", "th", "yue", "zh"];

/// The code of a language that a client names by code (a region may follow, as in `en-GB`) or by its
/// English name; `None` for `auto`.
pub(super) fn code(param: &'static str, given: &str) -> Result<Option<String>, Refusal> {
    let name = given.trim().to_lowercase();
    if name == "auto" {
        return Ok(None);
    }
    let primary = name.split(['-', '_']).next().unwrap_or_default();
    let known = |name: &str| LANGUAGES.iter().find(|(code, full)| *code == name || *full == name);
    let also = |name: &str| ALSO.iter().find(|(also, _)| *also == name).map(|(_, code)| *code);
    let find = |name: &str| known(name).map(|(code, _)| *code).or_else(|| also(name));
    let found = find(&name).or_else(|| find(primary)).map(|code| Some(code.to_owned()));
    found.ok_or_else(|| {
        let message = format!(
            "'{given}' is no language that is known here: give an ISO 639-1 code such as 'en', or 'auto'"
        );
        Refusal::bad_param(param, message)
    })
}

/// The English name of a language, or the code itself where it is not known.
pub(super) fn english_name(code: &str) -> &str {
    LANGUAGES.iter().find(|(own, _)| *own == code).map_or(code, |(_, name)| name)
}

/// What stands between two sentences in a language.
pub(super) fn space(code: Option<&str>) -> &'static str {
    if code.is_some_and(|code| UNSPACED.contains(&code)) { "" } else { " " }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_are_known_by_code_by_name_and_with_a_region() {
        for (given, expected) in [
            ("en", Some("en")),
            ("EN", Some("en")),
            ("English", Some("en")),
            ("en-GB", Some("en")),
            ("zh_Hans", Some("zh")),
            ("Haitian Creole", Some("ht")),
            ("mandarin", Some("zh")),
            ("jv", Some("jw")),
            ("auto", None),
        ] {
            assert_eq!(code("language", given).unwrap().as_deref(), expected, "{given}");
        }
        for unknown in ["klingon", "xx", "", "e n", "-en"] {
            let error = code("language", unknown).unwrap_err().error();
            assert_eq!(error["param"], "language", "{unknown}");
        }
    }

    #[test]
    fn every_code_and_every_name_stands_for_one_language() {
        let mut names: Vec<_> = LANGUAGES.iter().flat_map(|(code, name)| [*code, *name]).collect();
        names.extend(ALSO.iter().map(|(name, _)| *name));
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        assert!(ALSO.iter().all(|(_, code)| LANGUAGES.iter().any(|(own, _)| own == code)));
        assert!(UNSPACED.iter().all(|code| english_name(code) != *code));
    }
}

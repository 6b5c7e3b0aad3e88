//! Subtitles as Whisper's own writers and OpenAI's API write them.

use std::fmt::Write;

use trunkline_audio::MediaTime;
use trunkline_inference::Segment;

/// SRT: numbered from 1, a comma before the milliseconds.
pub(super) fn srt<'a>(segments: impl Iterator<Item = &'a Segment>) -> String {
    let mut text = String::new();
    for (number, segment) in segments.enumerate() {
        let (start, end) = (stamp(segment.start, ','), stamp(segment.end, ','));
        let line = line(segment);
        write(&mut text, format_args!("{}\n{start} --> {end}\n{line}\n\n", number + 1));
    }
    text
}

/// `WebVTT`: a point before the milliseconds.
pub(super) fn vtt<'a>(segments: impl Iterator<Item = &'a Segment>) -> String {
    let mut text = String::from("WEBVTT\n\n");
    for segment in segments {
        let (start, end) = (stamp(segment.start, '.'), stamp(segment.end, '.'));
        write(&mut text, format_args!("{start} --> {end}\n{}\n\n", line(segment)));
    }
    text
}

fn write(text: &mut String, line: std::fmt::Arguments<'_>) {
    text.write_fmt(line).expect("a String takes all");
}

/// An arrow would end the cue's text, and so would an empty line.
fn line(segment: &Segment) -> String {
    let words = segment.text.split_whitespace().collect::<Vec<_>>().join(" ");
    words.replace("-->", "->")
}

/// `HH:MM:SS` and milliseconds.
fn stamp(time: MediaTime, point: char) -> String {
    let ms = time.to_ms();
    let (hours, minutes, seconds) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    format!("{hours:02}:{minutes:02}:{seconds:02}{point}{:03}", ms % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segments() -> [Segment; 2] {
        let segment = |start, end, text: &str| Segment {
            text: text.to_owned(),
            start: MediaTime::from_ms(start),
            end: MediaTime::from_ms(end),
            ..Segment::default()
        };
        [
            segment(0, 2_500, "Hello."),
            segment(3_599_999, 363_612_345, "To the --> right,\n\nplease."),
        ]
    }

    #[test]
    fn srt_is_numbered_and_has_commas() {
        insta::assert_snapshot!(srt(segments().iter()), @r"
        1
        00:00:00,000 --> 00:00:02,500
        Hello.

        2
        00:59:59,999 --> 101:00:12,345
        To the -> right, please.
        ");
        assert!(srt(segments().iter()).ends_with("please.\n\n"));
        assert_eq!(srt([].iter()), "");
    }

    #[test]
    fn vtt_has_its_head_and_points() {
        insta::assert_snapshot!(vtt(segments().iter()), @r"
        WEBVTT

        00:00:00.000 --> 00:00:02.500
        Hello.

        00:59:59.999 --> 101:00:12.345
        To the -> right, please.
        ");
        assert_eq!(vtt([].iter()), "WEBVTT\n\n");
    }
}

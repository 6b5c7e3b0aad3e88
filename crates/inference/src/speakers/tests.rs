//! Voices as directions in a plane: 0 and 90 degrees are two persons, 10 degrees are one.

use proptest::prelude::*;

use super::*;

fn voice(degrees: f32) -> Vec<f32> {
    vec![degrees.to_radians().cos(), degrees.to_radians().sin()]
}

fn parts(voices: &[(f32, f32)]) -> Vec<VoicedPart> {
    voices.iter().map(|&(d, seconds)| VoicedPart { voice: voice(d), seconds }).collect()
}

fn check(speakers: &Speakers, voices: &[(f32, f32)], expected: &str) {
    assert_eq!(speakers.label(&parts(voices)).join(" "), expected, "{voices:?}");
}

fn known(names: &[(&str, f32)]) -> Speakers {
    let known = names.iter().map(|&(name, degrees)| (name.into(), voice(degrees))).collect();
    Speakers { known, ..Speakers::default() }
}

#[test]
fn voices_alike_are_one_person_and_named_in_the_order_they_speak() {
    let speakers = Speakers::default();
    check(&speakers, &[], "");
    check(&speakers, &[(40.0, 3.0)], "A");
    check(&speakers, &[(90.0, 2.0), (0.0, 2.0), (85.0, 2.0), (5.0, 2.0)], "A B A B");
    check(&speakers, &[(0.0, 2.0), (90.0, 2.0), (180.0, 2.0), (95.0, 2.0)], "A B C B");
}

#[test]
fn linkage_is_by_average_so_a_chain_does_not_make_all_one() {
    let chain: Vec<_> = (0_u16..10).map(|n| (f32::from(n) * 20.0, 2.0)).collect();
    let labels = Speakers::default().label(&parts(&chain));
    assert_ne!(labels[0], labels[9], "{labels:?}");
}

#[test]
fn a_short_part_joins_the_nearest_and_founds_nothing() {
    let speakers = Speakers::default();
    check(&speakers, &[(0.0, 2.0), (60.0, 0.4), (90.0, 2.0), (40.0, 0.4)], "A B B A");
    check(&speakers, &[(0.0, 0.3), (90.0, 0.3), (2.0, 0.3)], "A B A");
}

#[test]
fn known_persons_are_called_by_name_and_strangers_by_letter() {
    let speakers = known(&[("agent", 0.0), ("customer", 30.0)]);
    check(&speakers, &[(28.0, 2.0), (2.0, 2.0), (120.0, 2.0)], "customer agent A");
}

#[test]
fn known_persons_stay_apart_however_alike() {
    let speakers = known(&[("twin 1", 0.0), ("twin 2", 4.0)]);
    check(&speakers, &[(-1.0, 2.0), (5.0, 2.0), (0.0, 0.5)], "twin 1 twin 2 twin 1");
}

#[test]
fn no_more_persons_are_found_than_there_can_be() {
    let apart = [(0.0, 2.0), (60.0, 2.0), (180.0, 2.0), (61.0, 2.0)];
    check(&Speakers::default(), &apart, "A B C B");
    check(&Speakers { most: Some(2), ..Speakers::default() }, &apart, "A A B A");
    check(&Speakers { most: Some(1), ..Speakers::default() }, &apart, "A A A A");
    let limited = Speakers { most: Some(1), ..known(&[("agent", 0.0)]) };
    check(&limited, &[(3.0, 2.0), (80.0, 2.0)], "agent agent");
}

#[test]
fn a_recording_of_thousands_of_parts_is_labelled_whole() {
    let many: Vec<_> = (0..MOST_COMPARED + 50)
        .map(|n| if n % 2 == 0 { (0.0, 2.0) } else { (90.0, 2.0) })
        .collect();
    let labels = Speakers::default().label(&parts(&many));
    let expected = |n: usize| if n.is_multiple_of(2) { "A" } else { "B" };
    assert!(labels.iter().enumerate().all(|(n, label)| label == expected(n)));
}

#[test]
fn letters_go_on_after_z() {
    let names =
        [(0, "A"), (25, "Z"), (26, "AA"), (51, "AZ"), (52, "BA"), (701, "ZZ"), (702, "AAA")];
    for (number, name) in names {
        assert_eq!(letters(number), name);
    }
}

/// Groups merged by the definition: the average of all likenesses between members.
fn by_definition(voices: &[Vec<f32>], likeness: f32) -> Vec<usize> {
    let mut groups: Vec<Vec<usize>> = (0..voices.len()).map(|n| vec![n]).collect();
    loop {
        let average = |a: &[usize], b: &[usize]| {
            let pairs = a.iter().flat_map(|&x| b.iter().map(move |&y| (x, y)));
            let dot = |(x, y): (usize, usize)| {
                voices[x].iter().zip(&voices[y]).map(|(p, q)| f64::from(p * q)).sum::<f64>()
            };
            pairs.map(dot).sum::<f64>() / f64::from(u32::try_from(a.len() * b.len()).unwrap())
        };
        let pairs = (0..groups.len()).flat_map(|a| (a + 1..groups.len()).map(move |b| (a, b)));
        let best = pairs
            .map(|(a, b)| (average(&groups[a], &groups[b]), a, b))
            .max_by(|x, y| x.0.total_cmp(&y.0));
        let Some((_, a, b)) = best.filter(|best| best.0 >= f64::from(likeness)) else { break };
        let taken = groups.remove(b);
        groups[a].extend(taken);
    }
    (0..voices.len()).map(|n| groups.iter().position(|g| g.contains(&n)).unwrap()).collect()
}

proptest! {
    #[test]
    fn groups_are_those_of_the_definition(degrees in prop::collection::vec(0.0_f32..360.0, 0..25)) {
        let speakers = Speakers::default();
        let voices: Vec<_> = degrees.iter().map(|&d| voice(d)).collect();
        let labels = speakers.label(&parts(&degrees.iter().map(|&d| (d, 2.0)).collect::<Vec<_>>()));
        let groups = by_definition(&voices, speakers.likeness);
        for a in 0..voices.len() {
            for b in 0..a {
                prop_assert_eq!(labels[a] == labels[b], groups[a] == groups[b]);
            }
        }
    }
}

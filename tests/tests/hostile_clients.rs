//! Story: clients that send too much, too slowly or never read cost the server little, and others are
//! served meanwhile.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    fs,
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use trunkline_acceptance::{Server, flat_flac};

const FAKES: &str = "[models]\nllm = \"fake\"\n";
/// What the server's memory may grow by, MiB: uploads are kept up to 25 MiB each.
const GROWTH_MIB: u64 = 200;
const PATIENCE: Duration = Duration::from_secs(90);

fn connect(server: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn memory_mib(server: &Server) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.process())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

/// What is left to read; nothing when the server hung up hard.
fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    drop(stream.read_to_end(&mut bytes));
    String::from_utf8_lossy(&bytes).into_owned()
}

const FORM: &str = "--b\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n\
                    --b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\n";

fn upload_head(length: &str) -> String {
    format!(
        "POST /v1/audio/transcriptions HTTP/1.1\r\nhost: localhost\r\n{length}\r\n\
         content-type: multipart/form-data; boundary=b\r\n\r\n"
    )
}

#[test]
fn an_upload_of_two_gigabytes_is_refused_early_whether_announced_or_not() {
    let Some(server) = Server::start(FAKES) else { return };
    let server = server.unwrap();
    let before = memory_mib(&server);

    let mut announced = connect(server.http());
    announced.write_all(upload_head("content-length: 2147483648").as_bytes()).unwrap();
    assert!(rest(&mut announced).starts_with("HTTP/1.1 413"));

    let mut chunked = connect(server.http());
    chunked.write_all(upload_head("transfer-encoding: chunked").as_bytes()).unwrap();
    write!(chunked, "{:x}\r\n{FORM}\r\n", FORM.len()).unwrap();
    let piece = vec![0x55; 64 * 1024];
    let mut sent = 0_u64;
    let refused = loop {
        let wrote = write!(chunked, "{:x}\r\n", piece.len())
            .and_then(|()| chunked.write_all(&piece))
            .and_then(|()| chunked.write_all(b"\r\n"));
        sent += piece.len() as u64;
        if wrote.is_err() || sent > 2 << 30 {
            break wrote.is_err();
        }
    };
    assert!(refused, "{sent} bytes were taken");
    assert!(sent < 128 << 20, "{sent} bytes were taken before the refusal");
    let grown = memory_mib(&server) - before;
    assert!(grown < GROWTH_MIB, "{grown} MiB");
    assert_eq!(server.get("/health").unwrap().status, 200);
    assert!(server.errors().is_empty(), "{:?}", server.errors());
}

/// Uploads a sound; the answer's status line and body.
fn transcribed(server: SocketAddr, sound: &[u8]) -> String {
    let end = b"\r\n--b--\r\n";
    let length = FORM.len() + sound.len() + end.len();
    let head = upload_head(&format!("connection: close\r\ncontent-length: {length}"));
    let mut stream = connect(server);
    for part in [head.as_bytes(), FORM.as_bytes(), sound, end] {
        stream.write_all(part).unwrap();
    }
    rest(&mut stream)
}

#[test]
fn an_hour_of_sound_is_heard_to_its_end_without_being_kept() {
    let Some(server) = Server::start(FAKES) else { return };
    let server = server.unwrap();
    let before = memory_mib(&server);
    let answer = transcribed(server.http(), &flat_flac(60, 12));
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"text\""), "{answer}");
    // Samples of an hour are 110 MiB.
    let grown = memory_mib(&server).saturating_sub(before);
    assert!(grown < 60, "{grown} MiB");
}

#[test]
fn a_file_that_swells_without_end_is_refused_before_it_does() {
    let Some(server) = Server::start(FAKES) else { return };
    let server = server.unwrap();
    let before = memory_mib(&server);
    // Four hours in 100 kB; and more than are taken, of plausible size.
    for (sound, code) in [
        (flat_flac(4 * 60, 15), "far more sound than"),
        (flat_flac(10 * 60, 12), "longer than this server takes"),
    ] {
        let answer = transcribed(server.http(), &sound);
        assert!(answer.starts_with("HTTP/1.1 4") && answer.contains(code), "{answer}");
    }
    let grown = memory_mib(&server).saturating_sub(before);
    assert!(grown < 60, "{grown} MiB");
    assert_eq!(server.get("/health").unwrap().status, 200);
    assert!(server.errors().is_empty(), "{:?}", server.errors());
}

#[test]
fn clients_that_send_a_byte_at_a_time_are_hung_up_and_others_are_served() {
    let Some(server) = Server::start(FAKES) else { return };
    let server = server.unwrap();
    let address = server.http();
    let began = Instant::now();
    let slow: Vec<_> = (0..200).map(|n| thread::spawn(move || drip(address, n))).collect();
    // Somebody else is served in the midst of it.
    while slow.iter().any(|client| !client.is_finished()) {
        let asked = Instant::now();
        assert_eq!(server.get("/health").unwrap().status, 200);
        assert!(asked.elapsed() < Duration::from_secs(5));
        thread::sleep(Duration::from_millis(200));
    }
    for client in slow {
        assert!(client.join().unwrap(), "a slow client was served for {:?}", began.elapsed());
    }
    assert!(server.errors().is_empty(), "{:?}", server.errors());
}

/// Sends a request's head or, every second one, its body as slowly as can be. True when hung up on.
fn drip(server: SocketAddr, n: usize) -> bool {
    let mut stream = connect(server);
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n";
    let whole = format!("{head}content-type: application/json\r\ncontent-length: 100000\r\n\r\n");
    let start = if n.is_multiple_of(2) { head } else { &whole };
    if stream.write_all(start.as_bytes()).is_err() {
        return true;
    }
    stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        // One byte in the head; nothing at all in the body.
        if n.is_multiple_of(2) && stream.write_all(b"x").is_err() {
            return true;
        }
        let mut byte = [0; 512];
        match stream.read(&mut byte) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => return true,
        }
    }
    false
}

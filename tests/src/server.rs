//! `trunkline serve` for the length of a test.

use std::{
    fs::{self, File},
    io,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{Answer, free_port, get, program};

/// How long the models of a test may take to load on a busy machine.
const START: Duration = Duration::from_mins(2);
/// How long calls may take to end when the program is told to stop.
const STOP: Duration = Duration::from_secs(45);
/// How often a waiting test looks.
const LOOK: Duration = Duration::from_millis(50);

/// A running server. Ended when dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    dir: TempDir,
    sip: SocketAddr,
    http: SocketAddr,
}

/// Why a server did not become ready.
#[derive(Debug)]
pub enum StartError {
    /// It ended by itself.
    Ended {
        /// How.
        status: ExitStatus,
        /// What it said.
        log: String,
    },
    /// It did not become ready in time.
    NotReady {
        /// What it said.
        log: String,
    },
    /// It could not be started or watched.
    Io(io::Error),
}

impl From<io::Error> for StartError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Server {
    /// Starts the program with this config file on free ports, and waits until it is ready. `None`
    /// where there is no program.
    pub fn start(config: &str) -> Option<Result<Self, StartError>> {
        let program = program()?;
        Some(Self::launch(&program, config).map_err(StartError::from).and_then(Self::until_ready))
    }

    /// Starts the program as [`Self::start`] does, and does not wait: its models are still to be loaded.
    pub fn start_without_waiting(config: &str) -> Option<io::Result<Self>> {
        Some(Self::launch(&program()?, config))
    }

    fn launch(program: &Path, config: &str) -> io::Result<Self> {
        let dir = tempfile::tempdir()?;
        fs::write(dir.path().join("trunkline.toml"), config)?;
        let sip = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        let http = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        let child = spawn(program, dir.path(), sip, http)?;
        Ok(Self { child, dir, sip, http })
    }

    fn until_ready(mut self) -> Result<Self, StartError> {
        let deadline = Instant::now() + START;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Err(StartError::Ended { status, log: self.log() });
            }
            if self.get("/ready").is_ok_and(|answer| answer.status == 200) {
                return Ok(self);
            }
            if Instant::now() > deadline {
                return Err(StartError::NotReady { log: self.log() });
            }
            thread::sleep(LOOK);
        }
    }

    /// Where it answers SIP, over UDP and TCP.
    pub fn sip(&self) -> SocketAddr {
        self.sip
    }

    /// Where it answers HTTP.
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// The SIP address of a user of it.
    pub fn uri(&self, user: &str) -> String {
        format!("sip:{user}@{}", self.sip)
    }

    /// A folder that goes with the server, for what the test makes.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Where it keeps its records.
    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Its process, for memory and CPU figures.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// Gets a path of its HTTP side.
    pub fn get(&self, path: &str) -> io::Result<Answer> {
        get(self.http, path)
    }

    /// Everything it has said so far.
    pub fn log(&self) -> String {
        let bytes = fs::read(self.dir.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The lines of its log that call for a person: none, in a test that went well.
    pub fn errors(&self) -> Vec<String> {
        let log = self.log();
        let errors =
            log.lines().filter(|line| line.contains(" ERROR ") || line.contains("panicked"));
        errors.map(str::to_owned).collect()
    }

    /// Tells it to stop as an operator does, and waits until it has.
    pub fn stop(&mut self) -> io::Result<ExitStatus> {
        let told = Command::new("kill").args(["-TERM", &self.process().to_string()]).status()?;
        if !told.success() {
            return Err(io::Error::other("the server was gone already"));
        }
        let deadline = Instant::now() + STOP;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            thread::sleep(LOOK);
        }
        Err(io::Error::other("the server was told to stop and did not"))
    }

    /// Ends it as a crash does, and starts it again on the same ports and files.
    pub fn crash_and_restart(mut self) -> Result<Self, StartError> {
        let program = program().ok_or_else(|| io::Error::other("the program is gone"))?;
        self.child.kill()?;
        self.child.wait()?;
        self.child = spawn(&program, self.dir.path(), self.sip, self.http)?;
        self.until_ready()
    }
}

fn spawn(program: &Path, dir: &Path, sip: SocketAddr, http: SocketAddr) -> io::Result<Child> {
    let log = File::options().create(true).append(true).open(dir.join("log"))?;
    Command::new(program)
        .args(["serve", "--config"])
        .arg(dir.join("trunkline.toml"))
        .env("TRUNKLINE__SIP__BIND", sip.to_string())
        .env("TRUNKLINE__GATEWAY__BIND", http.to_string())
        .env("TRUNKLINE__STORE__DATA_DIR", dir.join("data"))
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already; either way nothing of it is left.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

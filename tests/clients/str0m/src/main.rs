//! str0m behind standard input and output: one JSON command a line in, one JSON event a line out.
//! tests/support/client_program.ts has the commands and the events.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::net::UdpSocket;
use std::sync::mpsc::{channel, Receiver, TryRecvError};
use std::time::{Duration, Instant};

use serde_json::{json, Value};
use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::channel::ChannelId;
use str0m::media::{Direction, KeyframeRequestKind, MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, IceConnectionState, Input, Output, Rtc, RtcConfig};

type Failure = Box<dyn std::error::Error>;

const REPORT_INTERVAL: Duration = Duration::from_millis(50);
/// Commands are looked for this often.
const WAIT_MAX: Duration = Duration::from_millis(5);
const DATAGRAM_BYTES_MAX: usize = 2_000;
/// After `close` its last datagrams leave.
const CLOSING: Duration = Duration::from_millis(50);

fn main() -> Result<(), Failure> {
    let (lines, commands) = channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if lines.send(line).is_err() {
                return;
            }
        }
    });
    let first: Value = match commands.recv() {
        Ok(line) => serde_json::from_str(&line)?,
        Err(_) => return Ok(()),
    };
    if first["do"] == "close" {
        return Ok(());
    }
    let mut client = Client::open(&first)?;
    client.act(first);
    client.run(commands)
}

struct Client {
    rtc: Rtc,
    socket: UdpSocket,
    pending: Option<SdpPendingOffer>,
    media: Vec<(Mid, MediaKind)>,
    channel: Option<ChannelId>,
    counts: BTreeMap<&'static str, Counts>,
    told: Value,
    told_at: Instant,
}

#[derive(Default)]
struct Counts {
    packets: u64,
    keyframes: u64,
}

impl Client {
    fn open(first: &Value) -> Result<Client, Failure> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        let codec = first["codec"].as_str();
        let mut rtc = RtcConfig::new()
            .clear_codecs()
            .enable_opus(true, false)
            .enable_h264(codec != Some("VP8"))
            .enable_vp8(codec != Some("H264"))
            .build(Instant::now());
        rtc.add_local_candidate(Candidate::host(socket.local_addr()?, "udp")?);
        Ok(Client {
            rtc,
            socket,
            pending: None,
            media: vec![],
            channel: None,
            counts: BTreeMap::new(),
            told: Value::Null,
            told_at: Instant::now(),
        })
    }

    fn run(&mut self, commands: Receiver<String>) -> Result<(), Failure> {
        while self.rtc.is_alive() {
            loop {
                match commands.try_recv() {
                    Ok(line) => {
                        let command: Value = serde_json::from_str(&line)?;
                        if command["do"] == "close" {
                            return self.close();
                        }
                        self.act(command);
                    }
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return self.close(),
                }
            }
            self.step()?;
            self.report();
        }
        say("state", json!({ "state": "closed" }));
        Ok(())
    }

    fn close(&mut self) -> Result<(), Failure> {
        self.rtc.close()?;
        let end = Instant::now() + CLOSING;
        while self.rtc.is_alive() && Instant::now() < end {
            self.step()?;
        }
        Ok(())
    }

    /// Sends what is to be sent, then waits for a datagram, a time-out or the next look at the commands.
    fn step(&mut self) -> Result<(), Failure> {
        let deadline = loop {
            match self.rtc.poll_output()? {
                Output::Timeout(at) => break at,
                Output::Transmit(packet) => {
                    self.socket.send_to(&packet.contents, packet.destination)?;
                }
                Output::Event(event) => self.tell(event),
            }
        };
        let wait = deadline.saturating_duration_since(Instant::now()).min(WAIT_MAX);
        if wait.is_zero() {
            self.rtc.handle_input(Input::Timeout(Instant::now()))?;
            return Ok(());
        }
        self.socket.set_read_timeout(Some(wait))?;
        let mut datagram = [0; DATAGRAM_BYTES_MAX];
        let input = match self.socket.recv_from(&mut datagram) {
            Ok((length, source)) => Input::Receive(
                Instant::now(),
                Receive {
                    proto: Protocol::Udp,
                    source,
                    destination: self.socket.local_addr()?,
                    contents: datagram[..length].try_into()?,
                },
            ),
            // Nothing came, or a port of the server is closed.
            Err(_) => Input::Timeout(Instant::now()),
        };
        self.rtc.handle_input(input)?;
        Ok(())
    }

    fn tell(&mut self, event: Event) {
        match event {
            Event::Connected => say("state", json!({ "state": "connected" })),
            Event::IceConnectionStateChange(IceConnectionState::Disconnected) => {
                say("state", json!({ "state": "disconnected" }))
            }
            Event::ChannelOpen(id, _) => {
                self.channel = Some(id);
                say("channel", json!({ "state": "open" }));
            }
            Event::ChannelClose(_) => say("channel", json!({ "state": "closed" })),
            Event::ChannelData(data) => {
                say("message", json!({ "text": String::from_utf8_lossy(&data.data) }))
            }
            Event::MediaData(data) => {
                let kind = self.media.iter().find(|(mid, _)| *mid == data.mid);
                let name = match kind {
                    Some((_, MediaKind::Video)) => "video",
                    _ => "audio",
                };
                let counts = self.counts.entry(name).or_default();
                counts.packets += 1;
                counts.keyframes += u64::from(data.is_keyframe());
            }
            _ => {}
        }
    }

    fn report(&mut self) {
        if self.told_at.elapsed() < REPORT_INTERVAL {
            return;
        }
        self.told_at = Instant::now();
        let mut media = json!({});
        for (kind, Counts { packets, keyframes }) in &self.counts {
            media[kind] = json!({ "packets": packets, "keyframes": keyframes });
        }
        if media != self.told {
            self.told = media.clone();
            say("media", media);
        }
    }

    fn act(&mut self, command: Value) {
        let name = command["do"].as_str().unwrap_or_default().to_owned();
        let done = match name.as_str() {
            "offer" => self.offer(&command),
            "answer" => self.answer(&command),
            "send" => self.send(&command),
            "keyframe" => self.keyframe(),
            _ => Err("no such command".into()),
        };
        if let Err(error) = done {
            say("refused", json!({ "command": name, "reason": error.to_string() }));
        }
    }

    fn offer(&mut self, command: &Value) -> Result<(), Failure> {
        let count = |name: &str| command[name].as_u64().unwrap_or(0);
        let mut changes = self.rtc.sdp_api();
        for (kind, count) in [
            (MediaKind::Video, count("video")),
            (MediaKind::Audio, count("audio")),
        ] {
            for _ in 0..count {
                let mid = changes.add_media(kind, Direction::RecvOnly, None, None, None);
                self.media.push((mid, kind));
            }
        }
        if command["channel"] == true {
            changes.add_channel("pinhole".into());
        }
        if command["restart"] == true {
            changes.ice_restart(true);
        }
        let (offer, pending) = changes.apply().ok_or("it has nothing to offer")?;
        self.pending = Some(pending);
        say("offer", json!({ "sdp": offer.to_sdp_string() }));
        Ok(())
    }

    fn answer(&mut self, command: &Value) -> Result<(), Failure> {
        let text = command["sdp"].as_str().unwrap_or_default();
        let answer = SdpAnswer::from_sdp_string(text)?;
        let pending = self.pending.take().ok_or("there is no offer")?;
        self.rtc.sdp_api().accept_answer(pending, answer)?;
        say("answered", json!({}));
        Ok(())
    }

    fn send(&mut self, command: &Value) -> Result<(), Failure> {
        let id = self.channel.ok_or("the channel is not open")?;
        let text = command["text"].as_str().unwrap_or_default();
        let mut channel = self.rtc.channel(id).ok_or("the channel is gone")?;
        match channel.write(false, text.as_bytes())? {
            true => Ok(()),
            false => Err("the channel is full".into()),
        }
    }

    fn keyframe(&mut self) -> Result<(), Failure> {
        for (mid, kind) in &self.media {
            if *kind == MediaKind::Video {
                let mut writer = self.rtc.writer(*mid).ok_or("the section is gone")?;
                writer.request_keyframe(None, KeyframeRequestKind::Pli)?;
            }
        }
        Ok(())
    }
}

fn say(event: &str, mut fields: Value) {
    fields["event"] = event.into();
    println!("{fields}");
}

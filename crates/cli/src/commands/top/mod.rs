//! `top`: servers, their sessions and what these run, shown again and again. `status --watch` is the same of all servers.

mod figures;
mod live;
mod looks;
mod page;
mod sort;

use std::num::NonZeroU64;
use std::time::Duration;

use anyhow::Result;
use tokio::sync::mpsc;

use crate::context::Context;
use crate::exit_status::ExitStatus;
use crate::server::settings::duration;
use crate::terminal::detect::{is_dumb, is_interactive};
use figures::Figures;
use looks::Looks;
use sort::Sort;

/// Each look asks every server.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(50);

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The server, by id or a unique start of it, port, pipe name or URL [default: all of the home]
    server: Option<String>,
    /// How long to wait between two looks, such as 500ms
    #[arg(long, value_name = "TIME", value_parser = interval, default_value = "2s")]
    interval: Duration,
    /// Which sessions come first: those with the most processor time, memory, time of their call, or calls per second
    #[arg(long, value_name = "FIGURE", value_enum, default_value_t)]
    sort: Sort,
    /// End after so many looks [default: go on until q or Ctrl-C]
    #[arg(long, value_name = "N")]
    count: Option<NonZeroU64>,
}

/// A time between looks.
pub(super) fn interval(text: &str) -> Result<Duration, String> {
    let interval = duration(text)?;
    match interval < SHORTEST_INTERVAL {
        true => Err(format!("it must be at least {} ms", SHORTEST_INTERVAL.as_millis())),
        false => Ok(interval),
    }
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<ExitStatus> {
    let Args { server, interval, sort, count } = args;
    let looks = Looks::new(context.home()?, server.as_deref())?;
    show(context, looks, interval, sort, count).await
}

/// All servers of the home, as `status --watch` shows them.
pub(super) async fn watch(context: &Context, interval: Duration) -> Result<ExitStatus> {
    let looks = Looks::new(context.home()?, None)?;
    show(context, looks, interval, Sort::default(), None).await
}

async fn show(
    context: &Context,
    looks: Looks,
    interval: Duration,
    sort: Sort,
    count: Option<NonZeroU64>,
) -> Result<ExitStatus> {
    let printer = &context.printer;
    let mut figures = again_and_again(looks, interval, count);
    if !printer.is_json() && is_interactive() && !is_dumb() {
        return live::show(figures, sort, interval, printer.colors.stdout).await;
    }
    while let Some(figures) = figures.recv().await {
        let figures = figures?;
        if printer.is_json() {
            printer.line(figures.as_json());
        } else {
            page::lines(&figures, sort).iter().for_each(|line| printer.line(&line.text));
            printer.line("");
        }
        if printer.is_closed() {
            break;
        }
    }
    Ok(ExitStatus::Success)
}

/// What the looks find. On a task of its own: keys do not wait for servers.
fn again_and_again(mut looks: Looks, interval: Duration, count: Option<NonZeroU64>) -> mpsc::Receiver<Result<Figures>> {
    let (sender, found) = mpsc::channel(1);
    tokio::spawn(async move {
        for n in 1.. {
            let looked = looks.look().await;
            let goes_on = looked.is_ok() && count.is_none_or(|count| n < count.get());
            if sender.send(looked).await.is_err() || !goes_on {
                return;
            }
            tokio::time::sleep(interval).await;
        }
    });
    found
}

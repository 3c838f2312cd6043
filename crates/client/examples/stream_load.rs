//! How fast items come out of a stream, and how long the first takes beside a plain eval.
//!
//! `stream_load ENDPOINT [ITEMS]` prints one JSON object: the median of an eval and of a stream's first item in
//! microseconds, and items per second.

use std::time::{Duration, Instant};

use beep_python_client::connect;
use futures_util::StreamExt;

const ROUNDS: usize = 500;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let endpoint = words.next().ok_or("usage: stream_load ENDPOINT [ITEMS]")?;
    let items: usize = words.next().map_or(Ok(500_000), |word| word.parse())?;
    let python = connect(&endpoint)?;
    let (mut evals, mut firsts) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let began = Instant::now();
        python.evaluate::<i64>("1+1").await?;
        evals.push(began.elapsed());
        let began = Instant::now();
        let mut stream = python.stream::<i64>("range(2)").await?;
        stream.next().await.ok_or("no item")??;
        firsts.push(began.elapsed());
        while stream.next().await.is_some() {}
    }
    let began = Instant::now();
    let mut stream = python.stream::<i64>(&format!("(n for n in range({items}))")).await?;
    let mut sum = 0;
    while let Some(item) = stream.next().await {
        sum += item?;
    }
    let elapsed = began.elapsed().as_secs_f64();
    assert_eq!(sum, (items * (items - 1) / 2) as i64, "every item came once");
    println!(
        r#"{{"eval_p50_us":{:.1},"first_item_p50_us":{:.1},"items_per_s":{:.0}}}"#,
        median(evals),
        median(firsts),
        items as f64 / elapsed
    );
    Ok(())
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times.get(times.len() / 2).map_or(0.0, |time| time.as_secs_f64() * 1e6)
}

//! Programs that users have, with what they send by themselves. Each is skipped where it is not installed.

use std::process::Command;

use crate::support::Server;

/// What a program prints; `None` where it is not installed.
fn printed(program: &str, arguments: &[&str]) -> Option<String> {
    let Ok(ran) = Command::new(program).args(arguments).output() else {
        eprintln!("skipped: there is no {program}");
        return None;
    };
    let (out, error) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{program}: {out}{error}");
    Some(out.trim().to_owned())
}

#[test]
fn requests_without_a_body_are_taken_as_programs_label_them() {
    let server = Server::start();
    let url = format!("http://127.0.0.1:{}/api/sessions/default/interrupt", server.port);
    let perl = format!("print HTTP::Tiny->new->post_form('{url}', {{}})->{{content}}");
    let python = format!("import urllib.request as r; print(r.urlopen('{url}', data=b'').read().decode())");
    let node = format!(
        "fetch('{url}', {{method: 'POST', body: new URLSearchParams()}}).then(a => a.text()).then(console.log)"
    );
    for (program, arguments) in [
        ("curl", &["-sS", "-d", "", &url][..]),
        ("curl", &["-sS", "-X", "POST", &url]),
        ("wget", &["-qO-", "--post-data=", &url]),
        ("perl", &["-MHTTP::Tiny", "-e", &perl]),
        ("python3", &["-c", &python]),
        ("node", &["-e", &node]),
    ] {
        let Some(told) = printed(program, arguments) else { continue };
        assert!(told.contains("\"outcome\""), "{program}: {told}");
    }
}

#[test]
fn javascript_reads_and_sends_numbers_as_they_are() {
    let server = Server::start();
    let script = r#"
const ask = async (expression, locals) => {
  const body = JSON.stringify({ expression, locals, values: "exact" });
  const headers = { "Content-Type": "application/json" };
  const answer = await fetch(URL_OF_EVAL, { method: "POST", headers, body });
  return (await answer.json()).value;
};
(async () => {
  const id = await ask("2**53 + 1");
  console.log(BigInt(id.$int) + 1n, await ask("2**53 - 1"));
  console.log(await ask("type(a).__name__", { a: { $float: 1.0 } }), await ask("n + 1", { n: { $int: "9007199254740993" } }).then(n => n.$int));
})();"#;
    let script = script.replace("URL_OF_EVAL", &format!("'http://127.0.0.1:{}/api/eval'", server.port));
    let Some(told) = printed("node", &["-e", &script]) else { return };
    assert_eq!(told, "9007199254740994n 9007199254740991\nfloat 9007199254740994");
}

#[test]
fn a_program_that_sends_a_request_again_gets_the_rest() {
    let server = Server::start();
    server.eval("runs = 0");
    // As clients for server-sent events do: read some, lose the connection, and send the same with the last id.
    let script = r#"
const body = JSON.stringify({ expression: "runs += 1\nprint('a')\nimport time; time.sleep(0.3)\nprint('b')\nruns" });
const ask = (id) => fetch(URL_OF_EXECUTE, { method: "POST", body, signal: (abort = new AbortController()).signal,
  headers: { "Content-Type": "application/json", Accept: "text/event-stream", ...(id && { "Last-Event-ID": id }) } });
let abort;
(async () => {
  let id, seen = "", lost = false;
  for (;;) {
    const answer = await ask(id);
    if (answer.status === 204) break;
    let text = "";
    try {
      for await (const chunk of answer.body.pipeThrough(new TextDecoderStream())) {
        text += chunk;
        for (let end; (end = text.indexOf("\n\n")) >= 0; text = text.slice(end + 2)) {
          const event = text.slice(0, end);
          id = /^id: (.*)$/m.exec(event)?.[1] ?? id;
          seen += /^event: (.*)$/m.exec(event)?.[1] + " ";
          if (!lost) { lost = true; abort.abort(); }
        }
      }
    } catch (error) { if (error.name !== "AbortError") throw error; }
  }
  console.log(seen.trim());
})();"#;
    let script = script.replace("URL_OF_EXECUTE", &format!("'http://127.0.0.1:{}/api/execute'", server.port));
    let Some(told) = printed("node", &["-e", &script]) else { return };
    assert_eq!(told, "stdout stdout display result");
    assert_eq!(server.eval("runs"), 1);
}

#[test]
fn first_calls_of_the_documents_get_their_answer() {
    let server = Server::start();
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/clients/http.md");
    let page = std::fs::read_to_string(page).expect("the page is there");
    let section = page.split("## From your language").nth(1).expect("the section is there");
    let section = section.split("\n## ").next().expect("it ends");
    let folder = tempfile::tempdir().expect("a folder can be made");
    let file = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("it can be written");
        path.to_str().expect("it is text").to_owned()
    };
    let mut languages = Vec::new();
    for block in section.split("\n```").skip(1).step_by(2) {
        let (language, code) = block.split_once('\n').expect("a block has lines");
        let code = code.replace("127.0.0.1:5678", &format!("127.0.0.1:{}", server.port));
        languages.push(language);
        let (program, path) = match language {
            "js" => ("node", file("first.mjs", code)),
            "perl" => ("perl", file("first.pl", code)),
            "ruby" => ("ruby", file("first.rb", code)),
            "php" => ("php", file("first.php", format!("<?php\n{code}"))),
            "java" => {
                let main =
                    format!("class First {{ public static void main(String[] a) throws Exception {{ {code} }} }}");
                ("java", file("First.java", main))
            }
            "go" => {
                let head = "package main\nimport (\"io\"; \"log\"; \"net/http\"; \"os\"; \"strings\")\nfunc main() {";
                ("go", file("first.go", format!("{head}\n{code}}}\n")))
            }
            // The documents' own test runs it.
            "sh" => continue,
            other => panic!("nothing runs {other}"),
        };
        let arguments: &[&str] = if language == "go" { &["run", &path] } else { &[&path] };
        let Some(told) = printed(program, arguments) else { continue };
        assert_eq!(told, r#"{"value":42,"sessionEpoch":1}"#, "{language}");
    }
    assert_eq!(languages, ["sh", "js", "java", "go", "php", "ruby", "perl"]);
}

//! Faults on demand, as a client on the other side of the wire sees them.

use std::time::{Duration, Instant};

use super::{client, sandbox};

#[tokio::test]
async fn each_fault_hits_the_request_it_names() {
    let plan = "stripe:429@1,retry_after=3;stripe:500@2;stripe:close@3;stripe:truncate@4;stripe:slow@5,ms=300;stripe:duplicate@6;stripe:reorder@7;stripe:wrong_type@8;stripe:unknown_field@9;stripe:429@10";
    let running = sandbox(plan, true).await;
    let http = client();
    let url = format!("{}/v1/charges?limit=5", running.base_url("stripe"));
    let send = || http.get(&url).header("authorization", "Bearer rk_test_sandbox").send();
    let first = send().await.unwrap();
    assert_eq!(
        (first.status().as_u16(), first.headers()["retry-after"].to_str().unwrap()),
        (429, "3")
    );
    assert_eq!(send().await.unwrap().status().as_u16(), 500);
    assert!(send().await.is_err(), "the connection closes without an answer");
    assert!(send().await.unwrap().text().await.is_err(), "the body breaks off");
    let start = Instant::now();
    let calm = send().await.unwrap().text().await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(300));
    let mut bodies = Vec::new();
    for _ in 0..4 {
        bodies.push(send().await.unwrap().text().await.unwrap());
    }
    let count = |body: &str| body.matches("\"object\":\"charge\"").count();
    assert_eq!((count(&calm), count(&bodies[0]), count(&bodies[1])), (5, 6, 5));
    assert_ne!(bodies[1], calm);
    assert!(bodies[2].contains("unexpected") && bodies[3].contains("x_unannounced"));
    let bare = send().await.unwrap();
    assert_eq!((bare.status().as_u16(), bare.headers().get("retry-after")), (429, None));
    assert_eq!(send().await.unwrap().text().await.unwrap(), calm);
    assert_eq!(running.faults_served(), 10);
    running.stop().await;
}

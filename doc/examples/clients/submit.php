<?php
// Hands a task over and waits for its end.     php submit.php CLASS METHOD [ARGUMENT…]
// MUSTER_URL (http://127.0.0.1:7077), MUSTER_TOKEN
function muster(string $method, string $path, $body = null, array $headers = []): array
{
    $headers[] = 'Content-Type: application/json';
    if (getenv('MUSTER_TOKEN')) {
        $headers[] = 'Authorization: Bearer ' . getenv('MUSTER_TOKEN');
    }
    $context = stream_context_create(['http' => [
        'method' => $method, 'header' => $headers, 'timeout' => 70, 'ignore_errors' => true,
        'content' => $body === null ? '' : json_encode($body, JSON_THROW_ON_ERROR),
    ]]);
    $text = file_get_contents((getenv('MUSTER_URL') ?: 'http://127.0.0.1:7077') . $path, false, $context);
    if ($text === false) {
        throw new RuntimeException('musterd cannot be reached');
    }
    $answer = json_decode($text, true, 512, JSON_THROW_ON_ERROR);
    $status = (int) explode(' ', $http_response_header[0])[1];
    if ($status >= 400) {
        throw new RuntimeException("$status: $answer[detail]");   // every error says in `detail` what to do
    }
    return $answer;
}

[, $class, $method] = $argv;
// Sent again after a lost answer, the same key stores nothing twice.
$task = muster('POST', '/v1/tasks', ['class' => $class, 'method' => $method, 'param' => array_slice($argv, 3)],
    ['Idempotency-Key: ' . bin2hex(random_bytes(16))]);
do {
    $task = muster('GET', "/v1/tasks/$task[id]?wait=30s");
} while (!in_array($task['state'], ['succeeded', 'dead', 'cancelled']));
echo json_encode(['state' => $task['state'], 'result' => $task['result'], 'error' => $task['error']]), "\n";
exit($task['state'] === 'succeeded' ? 0 : 1);

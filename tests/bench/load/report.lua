-- What wrk says at the end of a run, as one line of JSON.
return function(threads)
  function done(summary, latency)
    local errors = summary.errors
    local wrong, checked, read, said = 0, 0, 0, ""
    for _, thread in ipairs(threads) do
      wrong = wrong + thread:get("wrong")
      checked = checked + thread:get("checked")
      read = read + thread:get("read")
      if thread:get("said") ~= "" then
        said = thread:get("said")
      end
    end
    print(string.format(
      '\nRESULT {"requests":%d,"microseconds":%d,"bytes":%d,"failed":%d,"wrong":%d,"checked":%d,"read":%d,'
        .. '"p50_us":%d,"p90_us":%d,"p99_us":%d,"max_us":%d}',
      summary.requests, summary.duration, summary.bytes,
      errors.connect + errors.read + errors.write + errors.status + errors.timeout, wrong, checked, read,
      latency:percentile(50), latency:percentile(90), latency:percentile(99), latency.max
    ))
    if said ~= "" then
      print("SAID " .. said)
    end
  end
end

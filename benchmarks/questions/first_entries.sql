SELECT first_hour, count(*) AS people
FROM (
  SELECT code_ref, min(local_hour) AS first_hour
  FROM scans
  WHERE local_date = DATE '{day}' AND direction = 'entry' AND code_ref IS NOT NULL
  GROUP BY code_ref
) AS firsts
GROUP BY first_hour
ORDER BY first_hour

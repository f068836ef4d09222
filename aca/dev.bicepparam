// A fleet to try things out: small, reachable without a network of its own, and without workers while nobody calls.
using './main.bicep'

param name = readEnvironmentVariable('NAME', 'prynai-dev')
param image = readEnvironmentVariable('IMAGE')
param apiClientId = readEnvironmentVariable('API_CLIENT_ID')
param envelopeKey = readEnvironmentVariable('ENVELOPE_KEY', '')
param stateKey = readEnvironmentVariable('STATE_KEY', '')
param taskKey = readEnvironmentVariable('TASK_KEY', '')
param facadeClientId = readEnvironmentVariable('FACADE_CLIENT_ID', '')
param facadeKey = readEnvironmentVariable('FACADE_KEY', '')
param enterpriseIssuers = readEnvironmentVariable('ENTERPRISE_ISSUERS', '')
param enterpriseClients = readEnvironmentVariable('ENTERPRISE_CLIENTS', '')
param facadeSigningKey = readEnvironmentVariable('FACADE_SIGNING_KEY', '')
param facadeOtherSigningKey = readEnvironmentVariable('FACADE_OTHER_SIGNING_KEY', '')
param downstreamKey = readEnvironmentVariable('DOWNSTREAM_KEY', '')
param customDomain = readEnvironmentVariable('CUSTOM_DOMAIN', '')
param certificateUrl = readEnvironmentVariable('CERTIFICATE_URL', '')
param redisKey = readEnvironmentVariable('REDIS_KEY', 'primary')

param registrySku = 'Basic'
param redisSku = 'Balanced_B0'
param redisHighAvailability = false
param redisAuth = 'entra'
param privateNetwork = false
param purgeProtection = false
param telemetry = false

param gatewayMinReplicas = 1
param gatewayMaxReplicas = 2
param gatewayDrainSeconds = 20
// The first request starts a worker, and waits for it.
param workerMinReplicas = 0
param workerMaxReplicas = 3
param workerDrainSeconds = 60

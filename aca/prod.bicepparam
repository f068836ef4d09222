// A fleet that people rely on: at least two of everything, over zones; Redis and secrets only in its own network.
using './main.bicep'

param name = readEnvironmentVariable('NAME', 'prynai')
param image = readEnvironmentVariable('IMAGE')
param apiClientId = readEnvironmentVariable('API_CLIENT_ID')
param envelopeKey = readEnvironmentVariable('ENVELOPE_KEY')
param stateKey = readEnvironmentVariable('STATE_KEY')
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

param registrySku = 'Standard'
param redisSku = 'Balanced_B5'
param redisHighAvailability = true
param redisAuth = 'entra'
param privateNetwork = true
param zoneRedundant = true
param purgeProtection = true
param telemetry = true

param gatewayMinReplicas = 2
param gatewayMaxReplicas = 20
param gatewayDrainSeconds = 120
param workerMinReplicas = 2
param workerMaxReplicas = 50
param workerDrainSeconds = 300

param logRetentionDays = 90
